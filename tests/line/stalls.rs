//! Policies that would stall the server: stopped within the budget, and only that check fails.

use std::time::{Duration, Instant};

use crate::{failures::code, failures::decision_id, log, requests, server::Server};

/// Rules that do not end in time, each behind the path that asks for it.
const STALLS: &[(&str, &str)] = &[
    (
        "nested comprehensions",
        "xs := [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]\n\tcount([1 | some a in xs; some b in xs; some c in xs; some d in xs; some e in xs; some f in xs; some g in xs; some h in xs; a + b + c + d + e + f + g + h == input.size]) > 0",
    ),
    (
        "a range in a range",
        "some a in numbers.range(1, 10000)\n\tsome b in numbers.range(1, 10000)\n\ta * b == input.size",
    ),
    (
        "regular expressions in a loop",
        "some a in numbers.range(1, 1000)\n\tsome b in numbers.range(1, 1000)\n\tregex.match(\"^(a+)+$\", sprintf(\"%d%d!\", [a, b]))",
    ),
    (
        "globs in a loop",
        "some a in numbers.range(1, 1000)\n\tsome b in numbers.range(1, 1000)\n\tglob.match(\"**/x/**/y/**\", [\"/\"], sprintf(\"/%d/%d\", [a, b]))",
    ),
    (
        "a growing text",
        "every a in numbers.range(1, 100000) {\n\t\tcount(concat(\",\", [sprintf(\"%d\", [b]) | some b in numbers.range(1, a)])) > 0\n\t}",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_policy_that_never_ends_is_stopped_and_only_that_check_fails() {
    for (name, body) in STALLS {
        let policy = format!(
            "package envoy.authz\n\ndefault allow := false\n\nallow if input.parsed_path[0] == \"fast\"\n\nallow if {{\n\tinput.parsed_path[0] == \"slow\"\n\t{body}\n}}\n"
        );
        let set = [
            "portcullis.budget=200ms",
            "portcullis.limits.instructions=1000000000",
        ];
        let server = Server::start(&policy, &set).await;
        let began = Instant::now();
        let answer = server.check(&requests::path("/slow")).await;
        let took = began.elapsed();
        assert_eq!(code(&answer), 14, "{name}: {answer:?}");
        assert_eq!(
            log::of_check(&decision_id(&answer))["reason"],
            "budget",
            "{name}"
        );
        assert!(took < Duration::from_secs(10), "{name} took {took:?}");
        assert_eq!(
            code(&server.check(&requests::path("/fast")).await),
            0,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_calls_itself_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "package envoy.authz\n\ndefault allow := false\n\nallow if deep(1)\n\ndeep(n) if deep(n + 1)\n";
    std::fs::write(folder.path().join("policy.rego"), policy).unwrap();
    let mut files = portcullis::sources::file::Files::new(&[]).unwrap();
    files.add_path(folder.path().to_str().unwrap()).unwrap();
    let built = portcullis::app::build::build(&crate::server::config(&[]), files).await;
    let error = format!("{:?}", built.expect_err("recursion is refused"));
    assert!(error.contains("recursi"), "{error}");
}
