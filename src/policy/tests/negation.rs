//! Undefined operands: what OPA's compiler takes out of a negated expression, and what `in` makes of
//! them. The lists are the answers of OPA 1.22.2 to the same bodies.

use super::*;

const INPUT: &str = r#"{"o": {"k": 1}, "l": ["a", "b"], "u": "k"}"#;

fn with_body(body: &str) -> Vec<PolicyFile> {
    let text = format!(
        "package t\nf(x) := x\ng(x) if x == 1\nr := input.zz\ng2(_, _) := 1\ng3(_) := 2\n\
         s contains 1\nd if {{ {body} }}\n"
    );
    vec![module(&text)]
}

fn holds(files: &[PolicyFile], what: &str) -> bool {
    let policy =
        Policy::load(files, &at("t/d")).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let outcomes = [&policy, &policy.on_interpreter()].map(|policy| {
        match policy.evaluate(json(INPUT), LIMITS) {
            Ok(value) => value == Value::from(true),
            Err(EvalError::Undefined) => false,
            Err(error) => panic!("{what}: {error:?}"),
        }
    });
    assert_eq!(outcomes[0], outcomes[1], "{what}: machine and interpreter");
    outcomes[0]
}

/// Bodies that end at an undefined operand, or because the negated expression holds.
const ENDING: &[&str] = &[
    r#"not startswith(input.x, "a")"#,
    "not input.x != 1",
    "not input.x < 1",
    r#"not "a" in input.x"#,
    "not f(input.x) == 1",
    "not input.x + 1 == 2",
    "not [input.x] == [1]",
    "not g(r)",
    "not f([input.x])",
    "not input.o[input.x]",
    "not input.o[input.x] == 1",
    "not input.o[lower(input.x)]",
    "not (input.x == 1) == true",
    "not f(input.x) with input.y as 1",
    "not g(1) with input as data.missing",
    "not g(2) with input.a as input.missing",
    "not r with input.zz as input.missing",
    "not r with input.zz as input.u",
    "not f(input.x)",
    "not f(input.x).y",
    r#"not {"a": input.x}.a"#,
    "not [input.x]",
    "not {input.x | true}",
    "x := (1 in input.x); x == false",
    "(1 in input.x) == false",
    "y := [1 in input.x]; y",
    "not (1 in input.x) == true",
    "f(1 in input.x) == false",
    r#"{"a": (1 in input.x)}.a == false"#,
    r#"count([1 | not startswith(input.x, "a")]) == 1"#,
    "not data.t.s[input.x]",
    "not data.t.f(input.x)",
    "x := (input.x == 1); x == false",
    r#"not object.get(input.x, "x", 1) == 2"#,
    r#"x := object.get(input, "o", {}); not g(x.q)"#,
    r#"not startswith(lower(input.x), "a")"#,
    "1 in input.x == false",
    "not input.x in input.l == true",
    "not input.o[[1,input.x]]",
    r#""a" != input.x"#,
    "not array.concat(input.l, input.x) == []",
    "every w in [{}] { not g(w.x) }",
    r#"every w in ["a"] { not startswith(w, input.x) }"#,
    "not data.t.s[1]",
    "some w in input.l; not startswith(w, input.x)",
    r#"not "a" in input.l"#,
    r#"not 0, "a" in input.l"#,
    r#"not 0, "z" in input.x"#,
    r#"not [1, input.u] == [1, "k"]"#,
    r#"not startswith("abc", "b") with startswith as g2"#,
    "not f(1) == 2 with f as g3",
    r#"not g2(input.l, input.l) with input as {"l": 1}"#,
];

/// Bodies that hold.
const HOLDING: &[&str] = &[
    "not input.x == 1",
    "not input.x = 1",
    "not r",
    "not r == 1",
    r#"not input.o["q"] == 1"#,
    "not (input.x == 1)",
    "not count([y | y := input.x]) > 0",
    r#"not startswith(input.o.k, input.x) with input.x as "a""#,
    "not f(input.u).y",
    "not [input.x | true] == [1]",
    "not input.x.y.z",
    "not input == 1",
    "not g(input)",
    r#"not object.get(input, "x", 1) == 2"#,
    r#"x := object.get(input, "o", {}); not x.q == 1"#,
    "not set() == input.x",
    "not {1 | input.x} == {1}",
    "every w in [{}] { not w.x == 1 }",
    "count({1 | x := (1 in input.x)}) == 0",
    "{v: (1 in input.x) | v := 1} == {}",
    "not data.t.s[2]",
    r#"some w in input.l; not startswith(w, "c")"#,
    "x := input.o; not x.k == 2",
    r#"not "z" in input.l"#,
    r#"not 0, "z" in input.l"#,
    r#"not startswith("q\"w", "`")"#,
    r#"not input["o"]["k"] == 2"#,
    "not (input.o.k + 1) * 2 == 5",
    r#"not {"z"} & {input.u} == {"z"}"#,
    r#"count({"z"} | {1 | 1 in input.x}) == 1"#,
    r#"not count([w | some w in input.l; not startswith(w, "b")]) > 1"#,
    "not count([w | some w in input.l; not startswith(w, input.x)]) > 1",
    r#"not regex.match(`^\d+"$`, input.u)"#,
    "not f(set()) == {1}",
    "not f({}) == {1}",
];

/// Bodies that OPA calls unsafe.
const UNSAFE: &[&str] = &[
    r#"not input.l[_] == "a""#,
    "not input.l[_]",
    r#"not startswith(input.l[_], "a")"#,
    r#"not input.l[_] != "a""#,
    r#"some i; not input.l[i] == "a""#,
    r#"not input.l[i] == "a""#,
    r#"not walk(input, [_, "q"])"#,
    r#"not input.l[_] in {"a"}"#,
    "not input.l[_][_] == 1",
];

#[test]
fn bodies_end_where_they_end_in_opa() {
    let wrong: Vec<_> = ENDING
        .iter()
        .filter(|body| holds(&with_body(body), body))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn bodies_hold_where_they_hold_in_opa() {
    let wrong: Vec<_> = HOLDING
        .iter()
        .filter(|body| !holds(&with_body(body), body))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_open_under_not_is_refused() {
    let loaded: Vec<_> = UNSAFE
        .iter()
        .filter(|body| Policy::load(&with_body(body), &at("t/d")).is_ok())
        .collect();
    assert!(loaded.is_empty(), "{loaded:#?}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one line for each place")]
fn all_places_of_a_rule_are_reached() {
    for (rules, expected) in [
        ("d if not startswith(input.x, \"a\")", false),
        ("d if not startswith(input.u, \"a\")", true),
        ("d if not \"a\" in input.x", false),
        (
            "d if { false } else if not startswith(input.x, \"a\")",
            false,
        ),
        (
            "d if { false } else if not startswith(input.u, \"a\")",
            true,
        ),
        ("d if h(1)\nh(_) if not startswith(input.x, \"a\")", false),
        ("d if v == false\nv := 1 in input.x", false),
        ("d if v == false\nv := 1 in input.l", true),
        ("d if v == false\nv := 1 in input.x if input.u", false),
        ("d if v == false\nv := 1 in input.l if input.u", true),
        (
            "d if v == 2\nv := 1 in input.x if { input.u } else := 2",
            true,
        ),
        (
            "d if v == false\nv := 1 if { false } else := 1 in input.x",
            false,
        ),
        (
            "d if v == false\nv := 1 if { false } else := 1 in input.l",
            true,
        ),
        (
            "d if v == false\nv := 1 if { false } else := 1 in input.x if { input.u }",
            false,
        ),
        ("d if h(1) == false\nh(y) := y in input.x", false),
        ("d if h(1) == false\nh(y) := y in input.l", true),
        ("d if count(p) == 0\np contains (1 in input.x)", true),
        (
            "d if count(p) == 1\np contains (1 in input.l) if input.u",
            true,
        ),
        (
            "d if v.allowed == false\nv := {\"allowed\": 1 in input.x}",
            false,
        ),
        (
            "d if v == []\nv := [w | some w in input.l; not startswith(w, input.x)]",
            true,
        ),
        (
            "d if v == []\nv := [b | some w in input.l; b := w in input.x]",
            true,
        ),
        (
            "d if v == []\nv := [(w in input.x) | some w in input.l]",
            true,
        ),
        (
            "d if v == [true, false]\nv := [(w in [\"a\"]) | some w in input.l]",
            true,
        ),
        (
            "d if {\n  not startswith(\n    input.x, # why\n    `a`,\n  )\n  input.u\n}",
            false,
        ),
        (
            "d if {\n  not startswith(\n    input.u, # why\n    `a`,\n  )\n  input.u == \"k\"\n}",
            true,
        ),
    ] {
        let files = [module(&format!("package t\n{rules}\n"))];
        assert_eq!(holds(&files, rules), expected, "{rules}");
    }
}

#[test]
fn bodies_of_v0_are_reached() {
    let options = LoadOptions {
        v0_compatible: true,
        ..at("t/d")
    };
    for (body, expected) in [("input.x", None), ("input.u", Some(Value::from(true)))] {
        let text = format!("package t\nd {{ not startswith({body}, \"a\") }}\n");
        let policy = Policy::load(&[module(&text)], &options).unwrap();
        assert_eq!(
            policy.evaluate(json(INPUT), LIMITS).ok(),
            expected,
            "{body}"
        );
    }
}

#[test]
fn problems_stay_on_the_lines_of_their_author() {
    let text = "package t\nd if {\n  not startswith(\n    input.x,\n    \"a\",\n  )\n  xs := [x |\n    some x in input.l\n    \
                not startswith(x, input.x)\n    y == 1\n  ]\n  z == xs\n}\n";
    let found = problems(&[module(text)], &at("t/d"));
    let lines: Vec<&str> = found
        .iter()
        .map(|problem| problem.split(':').nth(1).unwrap())
        .collect();
    assert_eq!(lines, ["10"], "{found:#?}");
}

#[test]
fn reasons_show_the_text_of_their_author() {
    let text = "package t\nd if not startswith(input.x, \"a\") with input.y as 1\n";
    let policy = Policy::load(&[module(text)], &at("t/d")).unwrap();
    let reasons: Vec<String> = policy
        .interpreted_because()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(!reasons.is_empty());
    assert!(
        reasons.iter().all(|reason| !reason.contains("hoisted")),
        "{reasons:#?}"
    );
}

#[test]
fn a_query_that_needs_an_operand_in_front_is_refused() {
    let files = [module("package t\nd := 1\n")];
    for text in ["not startswith(input.x, \"a\")", "x := (1 in input.x)"] {
        assert!(Policy::load(&files, &query(text)).is_err(), "{text}");
    }
    for text in ["not data.t.d", "not input.x == 1", "1 in input.x"] {
        assert!(Policy::load(&files, &query(text)).is_ok(), "{text}");
    }
}
