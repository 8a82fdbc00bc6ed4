//! Policies made to hurt: each is refused or bounded.

use super::*;

#[test]
fn ten_thousand_brackets_are_a_diagnostic() {
    for text in [
        format!("package a\nallow := {}\n", "[".repeat(10_000)),
        format!("package a\nallow := {}\n", "[\n".repeat(10_000)),
        format!(
            "package a\nallow := {}1{}\n",
            "(\n".repeat(10_000),
            ")\n".repeat(9_000)
        ),
        format!("package a\nallow if {}1\n", "not ".repeat(900)),
        format!("package a\nallow := {}1\n", "-".repeat(4_000)),
        format!("package a\nallow := {}\n", "f(\n".repeat(10_000)),
        format!("package a\nallow if {}\n", "{ x |\n".repeat(10_000)),
        format!("package a\nallow := {}\n", "[".repeat(60)),
        format!(
            "package a\nallow := \"]\\\"\" == {}\n",
            "[\n`]`,".repeat(10_000)
        ),
    ] {
        let found = problems(&[module(&text)], &at("a/allow"));
        assert!(!found.is_empty());
    }
}

#[test]
fn long_chains_neither_crash_nor_hang() {
    for text in [
        format!("package a\nallow := input{}\n", ".a".repeat(1_500)),
        format!("package a\nallow := input{}\n", ".a\n".repeat(9_000)),
        format!("package a\nallow := {}1\n", "1 +\n".repeat(9_000)),
        format!("package a\nallow := {}1\n", "1 |\n".repeat(9_000)),
        format!(
            "package a\nallow := {}1\n",
            format!("{}\n", "1+".repeat(1_900)).repeat(60)
        ),
        format!("package a\nallow if 1 {}\n", "== 1\n".repeat(9_000)),
        format!(
            "package a\nallow := 1 if false {}\n",
            "else := 1 if false\n".repeat(3_000)
        ),
        format!("package a{}\nallow := 1\n", ".a".repeat(1_500)),
    ] {
        if let Ok(policy) = Policy::load(&[module(&text)], &at("a/allow")) {
            drop(policy.evaluate(Value::new_object(), LIMITS));
            drop(
                policy
                    .on_interpreter()
                    .evaluate(Value::new_object(), LIMITS),
            );
        }
    }
}

#[test]
fn recursion_is_refused_when_loading() {
    for text in [
        "package a\nallow if allow\n",
        "package a\nallow if f(1)\nf(x) := f(x)\n",
        "package a\nallow if f(1)\nf(x) := g(x)\ng(x) := f(x)\n",
        "package a\nallow if b\nb if c\nc if data.a.b\n",
        "package a\nallow if b\nb if f(1)\nf(x) if b\n",
    ] {
        let found = problems(&[module(text)], &at("a/allow")).concat();
        assert!(found.contains("must not be recursive"), "{text}{found}");
    }
    // A local variable of the name is no recursion.
    let text = "package a\nallow if { allow := input.x; allow == 1 }\n";
    assert!(Policy::load(&[module(text)], &at("a/allow")).is_ok());
}

#[test]
fn policies_end_before_the_stack_does() {
    let functions = |length: usize| {
        let mut text = String::from("package a\nallow if f0(input.x)\n");
        for at in 0..length {
            let next = at + 1;
            text.extend([format!("f{at}(x) := [[[[f{next}(x)]]]][0][0][0][0]\n")]);
        }
        text + &format!("f{length}(x) := x\n")
    };
    let iterations = |length: usize| {
        let mut text = String::from("package a\nallow if {\n");
        for at in 0..length {
            text.extend([format!("  some x{at} in input.xs\n")]);
        }
        text + "  input.x\n}\n"
    };
    let nested = |length: usize| {
        let open = "[v | v := ".repeat(length);
        format!("package a\nallow if {open}input.x{}\n", "]".repeat(length))
    };
    let rules = |length: usize| {
        let mut text = String::from("package a\nallow if r0\n");
        for at in 0..length {
            text.extend([format!("r{at} := data.a.r{}\n", at + 1)]);
        }
        text + &format!("r{length} := input.x\n")
    };
    for (policy, refused) in [
        (functions(15), functions(40)),
        (iterations(100), iterations(150)),
        (nested(18), nested(40)),
        (rules(22), rules(40)),
    ] {
        let policy = Policy::load(&[module(&policy)], &at("a/allow")).unwrap();
        for policy in [&policy, &policy.on_interpreter()] {
            let result = policy.evaluate(json(r#"{"x":true,"xs":[1]}"#), LIMITS);
            assert_eq!(result.unwrap(), Value::from(true));
        }
        problems(&[module(&refused)], &at("a/allow"));
    }
}

#[test]
fn an_endless_evaluation_stops_at_its_time() {
    let text = "package a\nallow if {\n  some x in numbers.range(1, 3000)\n  some y in numbers.range(1, 3000)\n  x * y < 0\n}\n";
    let policy = Policy::load(&[module(text)], &at("a/allow")).unwrap();
    let limits = Limits {
        time: Duration::from_millis(20),
        ..LIMITS
    };
    let result = policy.evaluate(Value::new_object(), limits);
    assert!(matches!(result, Err(EvalError::TimeLimit)), "{result:?}");
}

#[test]
fn the_machine_stops_at_its_time_and_its_instructions_and_runs_again() {
    let text = "package a\nallow if {\n  some x in input.xs\n  some y in input.xs\n  some z in input.xs\n  x == 1\n  y == 2\n  z == 3\n}\n";
    let policy = Policy::load(&[module(text)], &at("a/allow")).unwrap();
    assert_eq!(
        policy.engine(),
        Engine::Rvm,
        "{:?}",
        policy.interpreted_because()
    );
    let xs: Vec<String> = (10..400).map(|x| x.to_string()).collect();
    let long = json(&format!(r#"{{"xs":[{}]}}"#, xs.join(",")));
    let result = policy.evaluate(
        long.clone(),
        Limits {
            instructions: 10_000,
            ..LIMITS
        },
    );
    assert!(
        matches!(result, Err(EvalError::InstructionLimit(10_000))),
        "{result:?}"
    );
    let limits = Limits {
        time: Duration::from_millis(5),
        instructions: usize::MAX,
        memory: 64 * 1024 * 1024,
    };
    let result = policy.evaluate(long, limits);
    assert!(matches!(result, Err(EvalError::TimeLimit)), "{result:?}");
    let result = policy.evaluate(json(r#"{"xs":[1,2,3]}"#), LIMITS);
    assert_eq!(result.unwrap(), Value::from(true));
    let result = policy.evaluate(json(r#"{"xs":[1,2]}"#), LIMITS);
    assert!(matches!(result, Err(EvalError::Undefined)), "{result:?}");
}

#[test]
fn wherever_an_evaluation_is_stopped_it_says_so_and_nothing_else() {
    let rules = "package a\nat(p) if input.path[0] == p\nslow if {\n  some x in numbers.range(1, 30)\n  x == 30\n}\nnever if {\n  some x in numbers.range(1, 20)\n  x == 21\n}\nsees(x) := y if y := [z | some z in x; z > 1]\n";
    for (body, truth) in [
        ("allow if not slow", None),
        ("allow if { every x in [1, 2] { x < 3; not slow } }", None),
        (
            "allow if { not sees(numbers.range(1, 40)); at(\"a\") }",
            None,
        ),
        ("allow if not never", Some(true)),
        ("allow if { not at(\"b\"); slow; not never }", Some(true)),
        (
            "allow := count(sees([1, 2, 3])) == 2 if not never\nallow := true if at(\"b\")",
            Some(true),
        ),
        (
            "allow if { every x in [1, 2] { x < 3; not never } }",
            Some(true),
        ),
        (
            "allow := x if x := {y: z | some y, z in [true]; not never}[0]",
            Some(true),
        ),
    ] {
        let policy = Policy::load(&[module(&format!("{rules}{body}\n"))], &at("a/allow")).unwrap();
        for policy in [policy.on_interpreter(), policy] {
            let mut stopped = 0;
            for microseconds in (0..20).chain((20..1_000).step_by(9)) {
                let limits = Limits {
                    time: Duration::from_micros(microseconds),
                    ..LIMITS
                };
                match policy.evaluate(json(r#"{"path":["a"]}"#), limits) {
                    Err(EvalError::TimeLimit) => stopped += 1,
                    Ok(value) => assert_eq!(Some(value), truth.map(Value::from), "{body}"),
                    Err(EvalError::Undefined) if truth.is_none() => {}
                    Err(other) => panic!("{body}: {other:?} after {microseconds} us"),
                }
            }
            assert!(stopped > 0, "{body}");
        }
    }
}
