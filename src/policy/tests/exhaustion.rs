//! Policies that would run for ever or take all memory, on both evaluators: each ends at its time,
//! its memory or a cap, and the thread holds what it held before. Each has a harmless twin.

use std::time::Instant;

use super::*;

/// What an evaluation may take; a check leaves it no more.
const BUDGET: Limits = Limits {
    time: Duration::from_millis(100),
    instructions: usize::MAX,
    memory: 64 * 1024 * 1024,
};

/// How much later than at its limit an evaluation may end: what one call takes, and to free what
/// was built. Without optimization everything takes some twenty times as long.
const SLACK: Duration = if cfg!(debug_assertions) {
    Duration::from_millis(400)
} else {
    Duration::from_millis(5)
};

/// The machine is shared: the best of so many tries counts.
const TRIES: usize = 3;

struct Case {
    /// A body of `allow`; rules of its own may follow.
    policy: String,
    harmful: String,
    harmless: String,
}

fn case(policy: &str, harmful: &str, harmless: &str) -> Case {
    Case {
        policy: format!("package t\nimport rego.v1\n{policy}\n"),
        harmful: harmful.to_owned(),
        harmless: harmless.to_owned(),
    }
}

/// `{"xs": [0, ..., n - 1]}`.
fn numbers(n: usize) -> String {
    let numbers: Vec<String> = (0..n).map(|x| x.to_string()).collect();
    format!(r#"{{"xs":[{}]}}"#, numbers.join(","))
}

fn text(length: usize) -> String {
    format!(r#"{{"s":"{}"}}"#, "x".repeat(length))
}

fn bounded(case: &Case) {
    let policy = Policy::load(&[module(&case.policy)], &at("t/allow"))
        .unwrap_or_else(|error| panic!("{}\n{error}", case.policy));
    for policy in [&policy, &policy.on_interpreter()] {
        let engine = policy.engine();
        let harmful = json(&case.harmful);
        let before = mimalloc::current_thread_live_bytes();
        let mut fastest = Duration::MAX;
        for _ in 0..TRIES {
            let started = Instant::now();
            let result = policy.evaluate(harmful.clone(), BUDGET);
            fastest = fastest.min(started.elapsed());
            assert!(
                matches!(
                    result,
                    Err(EvalError::TimeLimit | EvalError::MemoryLimit(_) | EvalError::Failed(_))
                ),
                "{} on {engine:?}: {result:?}",
                case.policy
            );
            if fastest <= BUDGET.time + SLACK {
                break;
            }
        }
        assert!(
            fastest <= BUDGET.time + SLACK,
            "{} on {engine:?} took {fastest:?}",
            case.policy
        );
        let kept = mimalloc::current_thread_live_bytes() - before;
        assert!(kept < 4 * 1024 * 1024, "{} keeps {kept} bytes", case.policy);
        let result = policy.evaluate(json(&case.harmless), LIMITS);
        assert!(
            matches!(&result, Ok(value) if *value == Value::from(true)),
            "{} on {engine:?}: {result:?}",
            case.policy
        );
    }
}

#[test]
fn loops_end_at_their_time() {
    for policy in [
        "allow if {\n  some a in input.xs\n  some b in input.xs\n  some c in input.xs\n  a == 0\n  b == 1\n  c == 2\n}",
        "allow if {\n  every a in input.xs {\n    some b in input.xs\n    some c in input.xs\n    b == c\n    a < 3\n    c == 2\n  }\n}",
        "allow if count([1 | some a in input.xs; some b in input.xs; some c in input.xs; a == b; b == c]) == 3",
        "allow if f(input.xs)\nf(xs) if {\n  some a in xs\n  some b in xs\n  some c in xs\n  a == 0\n  b == 1\n  c == 2\n}",
    ] {
        // What is looked for comes last, or never.
        let harmful = numbers(3_000).replace("[0,1,2,", "[");
        bounded(&case(policy, &harmful, &numbers(3)));
    }
}

#[test]
fn what_allocates_without_end_ends() {
    for policy in [
        "allow if count([[a, b] | some a in input.xs; some b in input.xs]) < 100",
        "allow if count({[a, b] | some a in input.xs; some b in input.xs}) < 100",
        "allow if count({[a, b]: b | some a in input.xs; some b in input.xs}) < 100",
        "s contains [a, b] if {\n  some a in input.xs\n  some b in input.xs\n}\nallow if count(s) < 100",
        "o[[a, b]] := b if {\n  some a in input.xs\n  some b in input.xs\n}\nallow if count(o) < 100",
        "allow if count([z | some a in input.xs; some b in input.xs; z := array.concat(input.xs, [a, b])]) < 100",
        "x := {x | some x in input.xs}\nallow if count([z | some a in input.xs; some b in input.xs; z := x | {[a, b]}]) < 100",
        "allow if count([z | some a in input.xs; some b in input.xs; z := numbers.range(a, 90000)]) < 10",
        "allow if count([z | some a in input.xs; some b in input.xs; z := json.unmarshal(json.marshal(input.xs))]) < 10",
    ] {
        bounded(&case(policy, &numbers(2_000), &numbers(3)));
    }
}

#[test]
fn text_that_grows_without_end_ends() {
    let growing = |start: &str, step: &str| {
        let mut body = format!("allow if {{\n  s0 := {start}\n");
        for at in 0..40 {
            let step = step.replace('%', &format!("s{at}"));
            body.push_str(&format!("  s{} := {step}\n", at + 1));
        }
        body + "  count(s40) >= 0\n}"
    };
    for (step, harmless) in [
        ("concat(\"\", [%, %])", ""),
        ("sprintf(\"\u{1}v\u{1}v\", [%, %])", ""),
        ("replace(%, \"x\", \"xx\")", "y"),
        ("strings.replace_n({\"x\": \"xx\"}, %)", "y"),
        ("regex.replace(%, \"x\", \"xx\")", "y"),
    ] {
        // The verbs of `sprintf` are no place for a name.
        let policy = growing("input.s", step).replace('\u{1}', "%");
        bounded(&case(
            &policy,
            &text(10),
            &format!(r#"{{"s":"{harmless}"}}"#),
        ));
    }
}

#[test]
fn numbers_that_grow_without_end_end() {
    let mut squares = String::from("allow if {\n  x0 := input.n\n");
    for at in 0..40 {
        squares.push_str(&format!("  x{} := x{at} * x{at}\n", at + 1));
    }
    squares.push_str("  x40 >= 0\n}");
    bounded(&case(&squares, r#"{"n":3}"#, r#"{"n":1}"#));
    for (policy, harmless) in [
        (
            "allow if product([n | some n in numbers.range(input.n, 19000)]) >= 0",
            18_999,
        ),
        ("allow if bits.lsh(1, input.n * 1000000) > 0", 0),
        (
            "allow if units.parse(sprintf(\"1e%d\", [input.n * 1000000])) > 0",
            0,
        ),
    ] {
        let harmless = format!(r#"{{"n":{harmless}}}"#);
        bounded(&case(policy, r#"{"n":3}"#, &harmless));
    }
}

#[test]
fn patterns_made_to_hurt_end() {
    let searched = |n: usize| format!(r#"{{"s":"{}"}}"#, "ab".repeat(n) + "aab");
    for (policy, n) in [
        (
            "allow if not regex.match(`[ab]*a[ab]{200}c`, input.s)",
            100_000,
        ),
        (
            "allow if count(regex.find_n(`.*[^ab]|[ab]`, input.s, -1)) > 0",
            50_000,
        ),
        (
            "allow if count(regex.split(`.*[^ab]|[ab]`, input.s)) > 0",
            50_000,
        ),
        (
            "allow if regex.replace(input.s, `a`, `$0$0$0$0$0$0$0$0`) != \"\"",
            50_000,
        ),
        (
            "allow if not glob.match(\"*a*a*a*a*a*a*a*a*a*c\", null, input.s)",
            100_000,
        ),
    ] {
        bounded(&case(policy, &searched(n), &searched(3)));
    }
}

#[test]
fn what_has_no_end_in_other_ways_ends() {
    let ways = |n: usize| {
        let nodes: Vec<String> = (0..n).map(|node| format!("\"{node}\"")).collect();
        let edges = format!("[{}]", nodes.join(","));
        let graph: Vec<String> = nodes.iter().map(|node| format!("{node}:{edges}")).collect();
        format!(r#"{{"graph":{{{}}}}}"#, graph.join(","))
    };
    bounded(&case(
        "allow if count(graph.reachable_paths(input.graph, [\"0\"])) > 0",
        &ways(12),
        &ways(3),
    ));
    let patch = |n: usize| {
        let operations: Vec<String> = (0..n)
            .map(|at| format!(r#"{{"op":"copy","from":"","path":"/{at}"}}"#))
            .collect();
        format!(r#"{{"patch":[{}]}}"#, operations.join(","))
    };
    bounded(&case(
        "allow if count(json.patch({\"a\": 1}, input.patch)) > 0",
        &patch(40),
        &patch(3),
    ));
    let schema = |n: usize| {
        let definitions: Vec<String> = (0..n)
            .map(|at| {
                let next = format!("{{\"$ref\":\"#/definitions/d{}\"}}", at + 1);
                format!("\"d{at}\":{{\"anyOf\":[{next},{next}]}}")
            })
            .collect();
        format!(
            r##"{{"schema":{{"definitions":{{{},"d{n}":{{"type":"object"}}}},"$ref":"#/definitions/d0"}}}}"##,
            definitions.join(",")
        )
    };
    bounded(&case(
        "allow if json.match_schema({}, input.schema)[0]",
        &schema(25),
        &schema(3),
    ));
    let deep = |n: usize| format!(r#"{{"path":"{}a"}}"#, "a/".repeat(n));
    bounded(&case(
        "allow if json.remove({\"b\": 1}, [input.path]) == {\"b\": 1}",
        &deep(100_000),
        &deep(10),
    ));
    bounded(&case(
        "allow if yaml.unmarshal(input.s)",
        &format!(r#"{{"s":"{}"}}"#, "[".repeat(10_000)),
        r#"{"s":"[1]"}"#,
    ));
}

#[test]
fn values_that_share_their_parts_are_not_written_out() {
    let mut shared = String::from("x0 := [input.s, input.s]\n");
    for at in 0..30 {
        shared.push_str(&format!("x{} := [x{at}, x{at}]\n", at + 1));
    }
    for call in [
        "json.marshal(%)",
        "sprintf(\"\u{1}v\", [%])",
        "walk(%)",
        "upper(%)",
        "object.get(%, 1, 2)",
        "max([%])",
        "startswith(%, \"a\")",
    ] {
        let body = |at: usize| {
            let call = call.replace('%', &format!("x{at}")).replace('\u{1}', "%");
            format!(
                "allow if {{\n  {}\n  not {call} == 7\n}}",
                shared.replace('\n', "\n  ")
            )
        };
        let policy = Policy::load(
            &[module(&format!(
                "package t\nimport rego.v1\n{}\n",
                body(29)
            ))],
            &at("t/allow"),
        )
        .unwrap();
        for policy in [&policy, &policy.on_interpreter()] {
            let result = policy.evaluate(json(&text(10)), BUDGET);
            assert!(
                matches!(result, Err(EvalError::Failed(_))),
                "{call}: {result:?}"
            );
        }
    }
}

#[test]
fn the_memory_of_an_evaluation_is_its_own_limit() {
    let text = "package t\nimport rego.v1\nallow if count([z | some a in input.xs; z := sprintf(\"%d%v\", [a, input.xs])]) > 0\n";
    let policy = Policy::load(&[module(text)], &at("t/allow")).unwrap();
    let limits = Limits {
        memory: 4 * 1024 * 1024,
        ..LIMITS
    };
    let result = policy.evaluate(json(&numbers(2_000)), limits);
    assert!(
        matches!(result, Err(EvalError::MemoryLimit(4_194_304))),
        "{result:?}"
    );
    let result = policy.evaluate(json(&numbers(20)), limits);
    assert_eq!(result.unwrap(), Value::from(true));
    let text = "package t\nimport rego.v1\nallow if count([a | some a in input.xs; some b in input.xs]) > 0\n";
    let policy = Policy::load(&[module(text)], &at("t/allow")).unwrap();
    assert_eq!(policy.engine(), Engine::Rvm);
    let result = policy.evaluate(json(&numbers(800)), limits);
    assert!(
        matches!(result, Err(EvalError::MemoryLimit(4_194_304))),
        "{result:?}"
    );
    let result = policy.evaluate(json(&numbers(20)), limits);
    assert_eq!(result.unwrap(), Value::from(true));
}
