//! The whole line with its default budget, under policies that would run for ever or take all memory:
//! each is answered `budget` or `evaluation`, and the next check is answered as ever.

use std::time::{Duration, Instant};

use crate::{
    failures::{code, decision_id},
    log, requests,
    server::Server,
};

/// How much later than its budget an answer may come. What ends an evaluation is exact to a few
/// milliseconds; without optimization all of it takes some twenty times as long, and the machine is
/// shared with other tests.
const SLACK: Duration = if cfg!(debug_assertions) {
    Duration::from_millis(700)
} else {
    Duration::from_millis(50)
};

/// The default of `portcullis.budget`.
const BUDGET: Duration = Duration::from_millis(100);

/// Bodies of rules, each with the same on a small scale: `#` is how far it goes.
const BODIES: &[(&str, &str, u32, u32)] = &[
    (
        "loops",
        "count([1 | some a in numbers.range(1, #); some b in numbers.range(1, #); a + b == 2]) > 0",
        20_000,
        3,
    ),
    (
        "arrays",
        "count([[a, b] | some a in numbers.range(1, #); some b in numbers.range(1, #)]) > 0",
        50_000,
        3,
    ),
    (
        "sets",
        "count({[a, b] | some a in numbers.range(1, #); some b in numbers.range(1, #)}) > 0",
        50_000,
        3,
    ),
    (
        "objects",
        "count({[a, b]: a | some a in numbers.range(1, #); some b in numbers.range(1, #)}) > 0",
        50_000,
        3,
    ),
    (
        "texts",
        "count([sprintf(\"%d%v\", [a, numbers.range(1, #)]) | some a in numbers.range(1, #)]) > 0",
        10_000,
        3,
    ),
    (
        "one range",
        "count(numbers.range(1, #)) > 0",
        2_000_000_000,
        3,
    ),
    (
        "one width",
        "sprintf(\"%#d\", [1]) != \"\"",
        2_000_000_000,
        3,
    ),
    (
        "a regular expression",
        "not regex.match(`[ab]*a[ab]{#}c`, concat(\"\", [\"abaab\" | some _ in numbers.range(1, 10000)]))",
        400,
        1,
    ),
    (
        "a glob",
        "not glob.match(concat(\"\", [\"*a\" | some _ in numbers.range(0, #)]), null, concat(\"\", [\"a\" | some _ in numbers.range(1, 10000)])) == 1",
        500,
        3,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_policy_that_takes_everything_is_answered_in_time_and_leaves_everything() {
    for (name, body, much, little) in BODIES {
        let rule = |path: &str, scale: &u32| {
            let body = body.replace('#', &scale.to_string());
            format!("allow if {{\n\tinput.parsed_path[0] == \"{path}\"\n\t{body}\n}}\n")
        };
        let policy = format!(
            "package envoy.authz\n\ndefault allow := false\n\n{}\n{}",
            rule("much", much),
            rule("little", little)
        );
        answered_in_time(name, &policy).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_that_grow_without_end_are_answered_in_time() {
    let mut squares = String::new();
    for at in 0..40 {
        squares.push_str(&format!("\tx{} := x{at} * x{at}\n", at + 1));
    }
    let rule = |path: &str, start: u32| {
        format!(
            "allow if {{\n\tinput.parsed_path[0] == \"{path}\"\n\tx0 := {start}\n{squares}\tx40 > 0\n}}\n"
        )
    };
    let policy = format!(
        "package envoy.authz\n\ndefault allow := false\n\n{}\n{}",
        rule("much", 3),
        rule("little", 1)
    );
    answered_in_time("squares", &policy).await;
}

async fn answered_in_time(name: &str, policy: &str) {
    let server = Server::start(policy, &[]).await;
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        let answer = server.check(&requests::path("/much")).await;
        fastest = fastest.min(began.elapsed());
        assert_ne!(code(&answer), 0, "{name}: {answer:?}");
        let reason = &log::of_check(&decision_id(&answer))["reason"];
        assert!(
            reason == "budget" || reason == "evaluation",
            "{name}: {reason}"
        );
        if fastest <= BUDGET + SLACK {
            break;
        }
    }
    assert!(fastest <= BUDGET + SLACK, "{name} took {fastest:?}");
    let answer = server.check(&requests::path("/little")).await;
    assert_eq!(code(&answer), 0, "{name}: {answer:?}");
}
