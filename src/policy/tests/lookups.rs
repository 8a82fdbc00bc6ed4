//! A lookup by a variable that a nested query binds is a lookup, on whichever evaluator: where it was
//! taken for an iteration, any entry would do, and the answer was an allow.
//!
//! Expected values are those of OPA 1.22.

use super::*;

const DATA: &str = r#"{
    "table": {"api": 1, "v1": 2},
    "swapped": ["v1", "api"],
    "named": {"api": {"k": "api"}, "v1": {"k": "nope"}}
}"#;

/// Body of the rule, other rules, whether it holds for the path `["api", "v1"]`.
const CASES: &[(&str, &str, bool)] = &[
    ("every x in input.path { data.table[x] == 1 }", "", false),
    (
        "every i, x in input.path { data.swapped[i] == x }",
        "",
        false,
    ),
    ("every x in input.path { data.named[x].k == x }", "", false),
    (
        "every x in input.path { y := x; data.table[y] == 1 }",
        "",
        false,
    ),
    (
        "every x in input.path { one(x) }",
        "one(v) if data.table[v] == 1",
        false,
    ),
    (
        "every x in input.path { number(x) == 1 }",
        "number(v) := data.table[v]",
        false,
    ),
    (
        "every x in input.path { number(x) < 3 }",
        "number(v) := data.table[v]",
        true,
    ),
    (
        "every x in input.path { some y in [x]; data.table[y] == 1 }",
        "",
        false,
    ),
    (
        "every x in input.path { object.get(data.table, x, 0) == 1 }",
        "",
        false,
    ),
    (
        "count({x | some x in input.path; data.table[x] == 1}) == 1",
        "",
        true,
    ),
    (
        "count({x | some x in input.path; data.table[x] == 1}) == 2",
        "",
        false,
    ),
    (
        "count([x | x := input.path[_]; data.table[x] == 1]) == 1",
        "",
        true,
    ),
    (
        "count([x | some i, x in input.path; data.swapped[i] == x]) == 0",
        "",
        true,
    ),
    ("some i, x in input.path; data.swapped[i] == x", "", false),
    ("x := input.path[i]; data.swapped[i] == x", "", false),
    ("some x in input.path; data.table[x] == 2", "", true),
    ("some x in input.path; data.table[x] == 3", "", false),
    (
        "count(ones) == 1",
        "ones contains x if { some x in input.path; data.table[x] == 1 }",
        true,
    ),
    (
        "not second",
        "second if { some x in input.path; data.table[x] == 2 }",
        false,
    ),
];

#[test]
fn a_lookup_by_a_nested_variable_is_no_iteration() {
    for (body, rules, expected) in CASES {
        let text = format!("package a\ndefault allow := false\nallow if {{ {body} }}\n{rules}\n");
        let files = [module(&text), file("data.json", DATA.as_bytes())];
        let policy = Policy::load(&files, &at("a/allow")).unwrap();
        for policy in [policy.on_interpreter(), policy] {
            let answer = policy.evaluate(json(r#"{"path": ["api", "v1"]}"#), LIMITS);
            let engine = policy.engine();
            assert_eq!(
                answer.unwrap(),
                Value::from(*expected),
                "{engine:?}: {body}"
            );
        }
    }
}
