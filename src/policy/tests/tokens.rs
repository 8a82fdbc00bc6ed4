//! `io.jwt.*` in a policy: where it may stand, which evaluator runs it, what its errors come to.

use super::*;

const PREMIUM: &str = "eyJhbGciOiJub25lIn0.eyJ0aWVyIjoicHJlbWl1bSJ9.";

fn decision(text: &str, options: &LoadOptions, token: &str) -> Result<String, EvalError> {
    let policy = Policy::load(&[module(&format!("package a\n{text}\n"))], options).unwrap();
    assert_eq!(policy.engine(), Engine::Interpreter);
    let input = json(&format!(r#"{{"token":"{token}","other":1}}"#));
    let value = policy.evaluate(input, LIMITS)?;
    Ok(value.to_string())
}

#[test]
fn a_policy_that_calls_them_runs_on_the_interpreter_and_says_why() {
    let text = "package a\nallow if io.jwt.decode(input.token)[1].tier == \"premium\"\n";
    let policy = Policy::load(&[module(text)], &at("a/allow")).unwrap();
    let because: Vec<_> = policy
        .interpreted_because()
        .iter()
        .map(|reason| reason.message.as_str())
        .collect();
    assert!(
        because.contains(
            &"built-in function without proof is not proven equal on the virtual machine"
        ),
        "{because:?}"
    );
    assert_eq!(policy.reads().to_string(), "input.token");
}

#[test]
fn an_error_is_undefined_and_with_strict_errors_a_failure() {
    let text = "default allow := \"default\"\nallow := io.jwt.decode(input.token)[1].tier";
    let strict = LoadOptions {
        strict_builtin_errors: true,
        ..at("a/allow")
    };
    for options in [&at("a/allow"), &strict] {
        assert_eq!(decision(text, options, PREMIUM).unwrap(), "\"premium\"");
    }
    assert_eq!(decision(text, &at("a/allow"), "x").unwrap(), "\"default\"");
    let failed = decision(text, &strict, "x").unwrap_err();
    let EvalError::Failed(EvaluatorError(text)) = failed else {
        panic!("{failed:?}");
    };
    assert!(
        text.contains("`io.jwt.decode`: the token is not valid"),
        "{text}"
    );
}

#[test]
fn a_query_calls_them_too() {
    let options = query("io.jwt.decode(input.token)[1].tier");
    assert_eq!(
        decision("x := 1", &options, PREMIUM).unwrap(),
        "\"premium\""
    );
    let undefined = decision("x := 1", &options, "x").unwrap_err();
    assert!(matches!(undefined, EvalError::Undefined), "{undefined:?}");
}

#[test]
fn the_result_as_an_argument_keeps_lines_and_meaning() {
    let text = "allow if {\n  io.jwt.decode(input.token, [\n    _, payload, _,\n  ])\n  payload.tier == \"premium\"\n  1 / input.other == 1\n}";
    assert_eq!(decision(text, &at("a/allow"), PREMIUM).unwrap(), "true");
    assert!(decision(text, &at("a/allow"), "x").is_err());
    let text = format!("{text}\nb if missing == 1\n");
    let found = problems(&[module(&format!("package a\n{text}"))], &at("a/allow"));
    assert!(
        found
            .concat()
            .starts_with("policy.rego:9:6: undefined variable `missing`"),
        "{found:#?}"
    );
}

#[test]
fn where_it_cannot_be_rewritten_a_result_is_no_argument() {
    for text in [
        "allow if x := io.jwt.decode(input.token, y)",
        "allow if count(io.jwt.decode(input.token, y)) == 3",
        "allow := io.jwt.decode(input.token, y)",
        "allow if io.jwt.decode(input.token, y) == y",
    ] {
        let found = problems(&[module(&format!("package a\n{text}\n"))], &at("a/allow"));
        let text = found.concat();
        assert!(
            text.contains("`io.jwt.decode` takes 1 argument(s), not 2"),
            "{text}"
        );
    }
    let asked = query("io.jwt.decode(input.token, x)");
    let found = problems(&[module("package a\nb := 1\n")], &asked).concat();
    assert!(
        found.contains("`io.jwt.decode` takes 1 argument(s), not 2"),
        "{found}"
    );
}

#[test]
fn they_are_called_and_neither_replaced_nor_passed_on() {
    for text in [
        "allow if input.x with io.jwt.decode as mock\nmock(x) := x",
        "allow if f(1) with f as io.jwt.decode\nf(x) := x",
        "allow if io.jwt.decode == 1",
    ] {
        let found = problems(&[module(&format!("package a\n{text}\n"))], &at("a/allow"));
        let text = found.concat();
        assert!(
            text.contains("`io.jwt.decode` can be called and nothing else"),
            "{text}"
        );
    }
    // What the hint says.
    let text = "decoded(token) := io.jwt.decode(token)\nmock(_) := [{}, {\"tier\": \"mock\"}, \"\"]\n\
        allow := tier if tier := decoded(input.token)[1].tier with decoded as mock";
    assert_eq!(decision(text, &at("a/allow"), "x").unwrap(), "\"mock\"");
}

#[test]
fn names_nearby_are_suggested_and_a_package_of_the_name_comes_first() {
    let found = problems(
        &[module("package a\nallow if io.jwt.decod(input.token)\n")],
        &at("a/allow"),
    );
    assert!(
        found.concat().contains("did you mean `io.jwt.decode`?"),
        "{found:#?}"
    );
    let own = "package a\nimport data.own.io\nallow := io.jwt.decode(input.token, 1)\n";
    let theirs = file("own.rego", b"package own.io.jwt\ndecode(x, y) := [x, y]\n");
    let policy = Policy::load(&[module(own), theirs], &at("a/allow")).unwrap();
    let value = policy.evaluate(json(r#"{"token":"t"}"#), LIMITS).unwrap();
    assert_eq!(value.to_string(), r#"["t",1]"#);
}
