//! Paths and queries as entrypoints.

use super::*;

fn evaluated(policy: &str, options: &LoadOptions, input: &str) -> Result<Value, EvalError> {
    let data = file(
        "data.json",
        br#"{"base":{"list":[10,20],"n":{"com.foo":true}}}"#,
    );
    let policy = Policy::load(&[module(policy), data], options).unwrap();
    policy.evaluate(json(input), LIMITS)
}

#[test]
fn a_path_names_a_rule_a_set_a_part_of_a_value_a_package_or_data() {
    let policy = r#"package a["com.foo"]
allow := {"allowed": true, "n": 1} if input.ok
names contains x if some x in ["x", "y"]
table[k] := v if some k, v in {"k": 1}
helper(x) := x
"#;
    for (path, input, expected) in [
        (
            "a/com.foo/allow",
            r#"{"ok":true}"#,
            r#"{"allowed":true,"n":1}"#,
        ),
        ("a/com.foo/allow/n", r#"{"ok":true}"#, "1"),
        ("a/com.foo/table", "{}", r#"{"k":1}"#),
        ("a/com.foo/table/k", "{}", "1"),
        ("base/list/1", "{}", "20"),
        ("base/n/com.foo", "{}", "true"),
        ("base", "{}", r#"{"list":[10,20],"n":{"com.foo":true}}"#),
    ] {
        let value = evaluated(policy, &at(path), input).unwrap();
        assert_eq!(value, json(expected), "{path}");
    }
    let names = evaluated(policy, &at("a/com.foo/names"), "{}").unwrap();
    assert_eq!(
        names
            .to_json_str()
            .unwrap()
            .split_whitespace()
            .collect::<String>(),
        r#"["x","y"]"#
    );
    let package = evaluated(policy, &at("a/com.foo"), "{}").unwrap();
    assert_eq!(package["table"], json(r#"{"k":1}"#));
    assert_eq!(package["allow"], Value::Undefined);
    assert_eq!(package["helper"], Value::Undefined);
}

#[test]
fn no_value_is_undefined() {
    let policy = "package a\nallow if input.ok\n";
    for path in ["a/allow", "a/allow/b"] {
        let result = evaluated(policy, &at(path), "{}");
        assert!(
            matches!(result, Err(EvalError::Undefined)),
            "{path}: {result:?}"
        );
    }
}

#[test]
fn two_values_of_a_rule_are_a_conflict() {
    let policy = "package a\nd := 1 if input.a\nd := 2 if input.b\n";
    let result = evaluated(policy, &at("a/d"), r#"{"a":true,"b":true}"#);
    assert!(
        matches!(result, Err(EvalError::Conflict(Some(_)))),
        "{result:?}"
    );
    assert_eq!(
        evaluated(policy, &at("a/d"), r#"{"b":true}"#).unwrap(),
        Value::from(2_u64)
    );
}

#[test]
fn two_values_of_a_function_are_a_conflict() {
    let policy = "package a\nf(x) := 1 if x\nf(x) := 2 if x\nd := f(input.a)\n";
    let result = evaluated(policy, &at("a/d"), r#"{"a":true}"#);
    assert!(
        matches!(result, Err(EvalError::Conflict(Some(_)))),
        "{result:?}"
    );
}

#[test]
fn a_query_gives_the_first_expression_of_its_one_result() {
    let policy = "package a\nallow := {\"allowed\": true} if input.ok\nxs := [1, 2]\n";
    let ok = r#"{"ok":true}"#;
    let value = evaluated(policy, &query("data.a.allow"), ok).unwrap();
    assert_eq!(value, json(r#"{"allowed":true}"#));
    let value = evaluated(policy, &query("data.a.allow.allowed; input.ok"), ok).unwrap();
    assert_eq!(value, Value::from(true));
    let none = evaluated(policy, &query("data.a.allow"), "{}");
    assert!(matches!(none, Err(EvalError::Undefined)), "{none:?}");
    let many = evaluated(policy, &query("data.a.xs[_]"), ok);
    assert!(matches!(many, Err(EvalError::Conflict(None))), "{many:?}");
}

#[test]
fn a_query_that_does_not_parse_is_refused_when_loading() {
    let text = problems(&[module("package a\n")], &query("data.a ==")).concat();
    assert!(text.starts_with("query:1:"), "{text}");
    let text = problems(&[module("package a\n")], &query("rego.metadata.rule()")).concat();
    assert!(
        text.starts_with("query:1:1: there is no function `rego.metadata.rule`"),
        "{text}"
    );
}

#[test]
fn an_entrypoint_nobody_defines_lists_what_there_is() {
    let text = problems(&[module(SKELETON)], &at("istio/authz/allow")).concat();
    assert!(
        text.contains("`data.istio.authz.allow` is not defined"),
        "{text}"
    );
    assert!(text.contains("`data.envoy.authz.allow`"), "{text}");
    assert!(text.contains("hint: set `path`"), "{text}");
}

#[test]
fn built_in_errors_are_undefined_unless_strict() {
    let policy = "package a\ndefault d := \"none\"\nd := to_number(input.x)\n";
    let lenient = evaluated(policy, &at("a/d"), r#"{"x":"no number"}"#).unwrap();
    assert_eq!(lenient, Value::from("none"));
    let strict = LoadOptions {
        strict_builtin_errors: true,
        ..at("a/d")
    };
    let result = evaluated(policy, &strict, r#"{"x":"no number"}"#);
    assert!(matches!(result, Err(EvalError::Failed(_))), "{result:?}");
    let result = evaluated(policy, &strict, r#"{"x":"1"}"#).unwrap();
    assert_eq!(result, Value::from(1_u64));
}

#[test]
fn a_scalar_where_a_collection_belongs_is_undefined_and_not_an_error() {
    let policy = "package a\nallow if {\n  some role in input.roles\n  role == \"x\"\n}\nallow if input.ok\n";
    let other_rule = evaluated(policy, &at("a/allow"), r#"{"roles":"x","ok":true}"#).unwrap();
    assert_eq!(other_rule, Value::from(true));
    let none = evaluated(policy, &at("a/allow"), r#"{"roles":"x"}"#);
    assert!(matches!(none, Err(EvalError::Undefined)), "{none:?}");
}

#[test]
fn print_neither_prints_nor_fails_nor_needs_the_interpreter() {
    let policy =
        "package a\nallow if {\n  print(\"who\", to_number(input.who), count(1))\n  input.ok\n}\n";
    let strict = LoadOptions {
        strict_builtin_errors: true,
        ..at("a/allow")
    };
    let value = evaluated(policy, &strict, r#"{"ok":true}"#).unwrap();
    assert_eq!(value, Value::from(true));
    let loaded = Policy::load(&[module(policy)], &at("a/allow")).unwrap();
    assert_eq!(
        loaded.engine(),
        Engine::Rvm,
        "{:?}",
        loaded.interpreted_because()
    );
}

#[test]
fn the_input_of_one_run_is_not_seen_by_the_next() {
    let policy = "package a\ndefault who := \"nobody\"\nwho := input.who\n";
    let policy = Policy::load(&[module(policy)], &at("a/who")).unwrap();
    assert_eq!(
        policy.engine(),
        Engine::Rvm,
        "{:?}",
        policy.interpreted_because()
    );
    for who in ["a", "b"] {
        let input = json(&format!(r#"{{"who":"{who}"}}"#));
        assert_eq!(policy.evaluate(input, LIMITS).unwrap(), Value::from(who));
        let nobody = policy.evaluate(Value::new_object(), LIMITS).unwrap();
        assert_eq!(nobody, Value::from("nobody"));
    }
}

#[test]
fn what_is_added_for_the_machine_stays_out_of_strings() {
    for (body, expected) in [
        (r#"d := x if { x := "a" }"#, r#""a""#),
        (r#"d := x if x := "a""#, r#""a""#),
        ("d := x if x := `a`", r#""a""#),
        (r#"d := x if { x := "" }"#, r#""""#),
        (
            r#"d := x if { "a" == input.a; x := {"k": "v"} }"#,
            r#"{"k":"v"}"#,
        ),
        (r#"d if "a" == input.a"#, "true"),
        (
            r#"d := x if { # {
  x := [y | some y in ["b"]] # x := "c"
}"#,
            r#"["b"]"#,
        ),
        (r#"d := count({x | some x in ["a", "b"]})"#, "2"),
        ("d := x if { x := input.a\n}", r#""a""#),
        (r#"d := 1 if input.b else := 2 if "a" == input.a"#, "2"),
        (
            r#"d if f("a")
f(x) if x == "a""#,
            "true",
        ),
    ] {
        let text = format!("package a\n{body}\n");
        let policy = Policy::load(&[module(&text)], &at("a/d")).unwrap();
        let reasons = policy.interpreted_because();
        assert_eq!(policy.engine(), Engine::Rvm, "{body} {reasons:?}");
        for policy in [&policy, &policy.on_interpreter()] {
            let value = policy.evaluate(json(r#"{"a":"a"}"#), LIMITS).unwrap();
            assert_eq!(value, json(expected), "{body} {:?}", policy.engine());
        }
    }
}
