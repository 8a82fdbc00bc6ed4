//! Built-ins that are replaced: nothing changes below their caps, and above them the evaluation
//! fails, whatever stands around the call.

use super::*;

/// What `t.allow` of `text` comes to, with the function on each evaluator and both strictnesses.
fn outcomes(text: &str, input: &str) -> Vec<(Engine, bool, Result<Value, EvalError>)> {
    let mut outcomes = Vec::new();
    for strict in [false, true] {
        let options = LoadOptions {
            strict_builtin_errors: strict,
            ..at("t/allow")
        };
        let policy = Policy::load(&[module(&format!("package t\n{text}"))], &options)
            .unwrap_or_else(|error| panic!("{text}\n{error}"));
        outcomes.push((
            policy.engine(),
            strict,
            policy.evaluate(json(input), LIMITS),
        ));
        if policy.engine() == Engine::Rvm {
            let interpreted = policy.on_interpreter().evaluate(json(input), LIMITS);
            outcomes.push((Engine::Interpreter, strict, interpreted));
        }
    }
    outcomes
}

fn fails(text: &str, input: &str, why: &str) {
    for (engine, strict, outcome) in outcomes(text, input) {
        match outcome {
            Err(EvalError::Failed(error)) => {
                assert!(error.to_string().contains(why), "{text}: {error}");
            }
            other => panic!("{text} on {engine:?}, strict {strict}: {other:?}"),
        }
    }
}

fn comes_to(text: &str, input: &str, expected: &str) {
    for (engine, strict, outcome) in outcomes(text, input) {
        match outcome {
            Ok(value) => assert_eq!(value, json(expected), "{text} on {engine:?}"),
            other => panic!("{text} on {engine:?}, strict {strict}: {other:?}"),
        }
    }
}

#[test]
fn too_much_fails_the_evaluation_and_is_never_undefined() {
    let far = "`numbers.range`: the range has 100000000001 elements, more than 100000";
    for text in [
        "allow := numbers.range(1, input.n)\n",
        "allow if not numbers.range(1, input.n)\n",
        "allow if not f(input.n)\nf(n) := numbers.range(1, n)\n",
        // The other definition has a value.
        "allow if f(input.n) == 1\nf(n) := numbers.range(1, n)\nf(n) := 1 if n > 0\n",
        "allow if count([x | some x in numbers.range(1, input.n)]) == 0\n",
        "default allow := false\nallow if numbers.range(1, input.n)\n",
        "allow if 1 == 2\nelse := numbers.range(1, input.n)\n",
        "allow if numbers.range(1, input.n, _)\n",
        "allow := x if { numbers.range(1, input.n, x) }\n",
        "allow if { x := g(1, input.n) with g as h; x }\ng(_, _) := 1\nh(a, b) := numbers.range(a, b)\n",
        "allow if count(1) with count as h\nh(_) := numbers.range(1, input.n)\n",
        "allow if { every x in numbers.range(1, input.n) { x > 0 } }\n",
    ] {
        fails(text, r#"{"n":100000000001}"#, far);
    }
}

#[test]
fn what_is_too_much_fails_on_the_machine_as_well() {
    for (text, why) in [
        (
            "allow if not startswith(sprintf(input.f, [1]), \"x\")\n",
            "more than 4096",
        ),
        (
            "allow := sprintf(input.f, [1])\n",
            "`sprintf`: a width or precision of 100000",
        ),
        (
            "allow if not contains(replace(input.long, \"a\", input.long), \"b\")\n",
            "`replace`: more than 262144 bytes",
        ),
        (
            "allow if not contains(concat(input.long, input.parts), \"b\")\n",
            "`concat`: more than 262144 bytes",
        ),
    ] {
        let input = format!(
            r#"{{"f":"%100000d","long":"{}","parts":["{}","",""]}}"#,
            "a".repeat(2_000),
            "x".repeat(262_000)
        );
        let policy =
            Policy::load(&[module(&format!("package t\n{text}"))], &at("t/allow")).unwrap();
        assert_eq!(policy.engine(), Engine::Rvm, "{text}");
        fails(text, &input, why);
    }
}

#[test]
fn below_the_caps_nothing_changes() {
    for (text, input, expected) in [
        (
            "allow := count(numbers.range(1, input.n))\n",
            r#"{"n":100000}"#,
            "100000",
        ),
        ("allow := numbers.range(3, 1)\n", "{}", "[3,2,1]"),
        ("allow := numbers.range_step(1, 10, 4)\n", "{}", "[1,5,9]"),
        ("allow := x if { numbers.range(1, 2, x) }\n", "{}", "[1,2]"),
        ("allow := y if { numbers.range(1, 2, [_, y]) }\n", "{}", "2"),
        ("allow if { numbers.range(1, 2, [1, 2]) }\n", "{}", "true"),
        ("allow if not numbers.range(1, 2, [1, 3])\n", "{}", "true"),
        (
            "allow := x if { x := numbers.range(1, 100000000001) with numbers.range as 7 }\n",
            "{}",
            "7",
        ),
        (
            "allow := x if { x := numbers.range(2, 5) with numbers.range as g }\ng(a, b) := (a * 10) + b\n",
            "{}",
            "25",
        ),
        (
            "allow if not numbers.range(1, input.missing)\nelse := 1\n",
            "{}",
            "1",
        ),
        (
            "allow := sprintf(\"%5d|%05d|%s\", [1, 2, input.s])\n",
            r#"{"s":"x"}"#,
            r#""    1|00002|x""#,
        ),
        (
            "allow := concat(\",\", [upper(x) | some x in split(\"a b\", \" \")])\n",
            "{}",
            r#""A,B""#,
        ),
        (
            "allow := count(net.cidr_expand(\"10.0.0.0/24\"))\n",
            "{}",
            "256",
        ),
    ] {
        comes_to(text, input, expected);
    }
}

#[test]
fn a_wrong_type_is_undefined_or_with_strict_errors_a_failure() {
    for text in [
        "allow := numbers.range(\"a\", 1)\n",
        "allow := numbers.range(1.5, 2)\n",
        "allow := numbers.range_step(1, 2, 0)\n",
        "allow := numbers.range_step(1, 2, -1)\n",
        "allow := upper(input.n)\n",
        "allow := sprintf(1, [])\n",
        "allow := sprintf(\"%²d\", [1])\n",
        "allow := net.cidr_expand(\"10.0.0.0/33\")\n",
    ] {
        for (engine, strict, outcome) in outcomes(text, r#"{"n":1}"#) {
            match outcome {
                Err(EvalError::Undefined) if !strict => {}
                Err(EvalError::Failed(error)) if strict => {
                    let error = error.to_string();
                    assert!(error.contains("policy.rego:2"), "{error}");
                    assert!(!error.contains("built-in>"), "{error}");
                }
                other => panic!("{text} on {engine:?}, strict {strict}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_number_of_arguments_that_does_not_fit_is_found_when_loading() {
    for text in [
        "allow := numbers.range(1)\n",
        "allow := numbers.range(1, 2, 3, 4)\n",
    ] {
        let found = problems(&[module(&format!("package t\n{text}"))], &at("t/allow"));
        assert!(
            found
                .concat()
                .contains("`numbers.range` takes 2 argument(s)"),
            "{found:?}"
        );
    }
}

#[test]
fn an_evaluation_does_not_inherit_the_end_of_the_one_before() {
    let text = "package t\nallow := count(numbers.range(1, input.n))\n";
    let policy = Policy::load(&[module(text)], &at("t/allow")).unwrap();
    let far = policy.evaluate(json(r#"{"n":1000000}"#), LIMITS);
    assert!(matches!(far, Err(EvalError::Failed(_))), "{far:?}");
    let near = policy.evaluate(json(r#"{"n":3}"#), LIMITS);
    assert_eq!(near.unwrap(), Value::from(3));
}

#[test]
fn time_that_runs_out_inside_a_function_is_the_time_limit() {
    let text = "package t\nallow if f(1)\nf(n) if {\n  some x in numbers.range(n, 3000)\n  some y in numbers.range(n, 3000)\n  x * y < 0\n}\n";
    let policy = Policy::load(&[module(text)], &at("t/allow")).unwrap();
    let limits = Limits {
        time: Duration::from_millis(10),
        ..LIMITS
    };
    let result = policy.evaluate(Value::new_object(), limits);
    assert!(matches!(result, Err(EvalError::TimeLimit)), "{result:?}");
}
