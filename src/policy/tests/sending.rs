//! Policies that call `http.send`: what is answered, what is awaited, and that nothing else can run in
//! its place.

use std::collections::BTreeMap;

use super::*;
use crate::policy::{Answer, Externals, Unanswered};

const REQUEST: &str = r#"http.send({"method": "GET", "url": input.url})"#;

fn load_with(text: &str, strict: bool) -> Policy {
    let options = LoadOptions {
        strict_builtin_errors: strict,
        ..at("t/allow")
    };
    Policy::load(&[module(&format!("package t\n{text}"))], &options)
        .unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// The policy as it runs, and on the interpreter.
fn both(policy: Policy) -> Vec<Policy> {
    let interpreted = policy.on_interpreter();
    vec![policy, interpreted]
}

fn input() -> Value {
    json(r#"{"url":"http://a","n":1}"#)
}

/// Evaluates until nothing is awaited any more; every call is answered alike.
fn decided(policy: &Policy, answer: &Answer) -> (Result<Value, EvalError>, Vec<Value>) {
    let mut externals = Externals::default();
    let mut asked = Vec::new();
    loop {
        let result = policy.evaluate_with(input(), LIMITS, &mut externals);
        let Some(request) = externals.awaited() else {
            assert!(!matches!(result, Err(EvalError::Awaits)));
            return (result, asked);
        };
        assert!(matches!(result, Err(EvalError::Awaits)), "{result:?}");
        assert!(asked.len() < 10, "asked again: {asked:?}");
        asked.push(request.clone());
        externals.answer(request, answer.clone());
    }
}

#[expect(clippy::unnecessary_wraps, reason = "an answer can be a failure")]
fn ok() -> Answer {
    Answer::Ok(json(r#"{"status_code":200,"body":{"ok":true}}"#))
}

#[test]
fn a_call_is_awaited_answered_and_then_decides() {
    let text = format!("allow if {REQUEST}.body.ok\n");
    for policy in both(load_with(&text, false)) {
        let (result, asked) = decided(&policy, &ok());
        assert_eq!(result.unwrap(), Value::from(true));
        assert_eq!(asked, [json(r#"{"method":"GET","url":"http://a"}"#)]);
        let (result, _) = decided(&policy, &Ok(json("{}")));
        assert!(matches!(result, Err(EvalError::Undefined)));
    }
}

#[test]
fn a_policy_that_sends_runs_on_the_machine() {
    let policy = load_with(
        &format!("allow if {{ r := {REQUEST}; r.body.ok }}\n"),
        false,
    );
    assert_eq!(
        policy.engine(),
        Engine::Rvm,
        "{:?}",
        policy.interpreted_because()
    );
    assert!(policy.summary().sends);
    assert!(!load_with("allow := true\n", false).summary().sends);
}

#[test]
fn nothing_around_a_call_makes_a_decision_of_a_missing_answer() {
    for body in [
        "allow if not SEND\n",
        "default allow := true\nallow := false if SEND\n",
        "allow if count([x | some x in [1]; SEND]) == 0\n",
        "allow if 1 == 2\nelse := true if not SEND\n",
        "allow if { every x in [1] { not SEND } }\n",
        "allow if f(1)\nf(_) if SEND\nf(_) := true\n",
        "allow if g == {}\ng[k] := SEND if some k in [1]\n",
        "allow if not SEND.body\n",
        "allow if { SEND; false }\nelse := true\n",
    ] {
        let text = body.replace("SEND", REQUEST);
        for strict in [false, true] {
            for policy in both(load_with(&text, strict)) {
                let mut externals = Externals::default();
                let result = policy.evaluate_with(input(), LIMITS, &mut externals);
                assert!(
                    matches!(result, Err(EvalError::Awaits)),
                    "{text} on {:?}: {result:?}",
                    policy.engine()
                );
                assert!(externals.awaited().is_some());
                assert!(matches!(
                    policy.evaluate(input(), LIMITS),
                    Err(EvalError::Awaits)
                ));
            }
        }
    }
}

#[test]
fn both_evaluators_decide_alike_with_prepared_answers() {
    let answers = [
        ok(),
        Ok(json(
            r#"{"status_code":403,"body":null,"headers":{"a":["b"]}}"#,
        )),
        Ok(json(r#"{"status_code":0,"error":{"code":"e"}}"#)),
        Err(Unanswered::Failed("not today".to_owned())),
        Err(Unanswered::Refused("too much".to_owned())),
    ];
    for body in [
        "allow if SEND.status_code == 200\n",
        "allow if not SEND\n",
        "allow := SEND.status_code\n",
        "default allow := false\nallow if { r := SEND; r.body.ok == true }\n",
        "allow if { r := SEND; not r.error; r.status_code in {200, 403} }\n",
        "allow if { some v in SEND.headers.a; v == \"b\" }\n",
        "allow if f(SEND)\nf(r) if r.status_code == 403\n",
        "allow := count(SEND)\n",
    ] {
        let text = body.replace("SEND", REQUEST);
        let policy = load_with(&text, false);
        let interpreted = policy.on_interpreter();
        for answer in &answers {
            let shown = |policy: &Policy| format!("{:?}", decided(policy, answer));
            assert_eq!(shown(&policy), shown(&interpreted), "{text} {answer:?}");
        }
    }
}

#[test]
fn a_failed_call_is_undefined_or_fails_the_evaluation() {
    let failed = Err(Unanswered::Failed("GET http://a:80: gone".to_owned()));
    let text = format!("allow if {REQUEST}\nallow if not {REQUEST}\n");
    for policy in both(load_with(&text, false)) {
        let (result, asked) = decided(&policy, &failed);
        assert_eq!(result.unwrap(), Value::from(true));
        assert_eq!(asked.len(), 1);
    }
    for policy in both(load_with(&text, true)) {
        let (result, _) = decided(&policy, &failed);
        let Err(EvalError::Failed(error)) = result else {
            panic!("{result:?}");
        };
        let error = error.to_string();
        assert!(
            error.contains("`http.send`: GET http://a:80: gone"),
            "{error}"
        );
    }
}

/// Policies that allow when the call in them is undefined.
const OPEN_WITHOUT: [&str; 5] = [
    "default allow := true\nallow := false if SEND.body.bad\n",
    "allow if not bad\nbad if SEND.body.bad\n",
    "allow if count([x | some x in [1]; SEND]) == 0\n",
    "allow if 1 == 2\nelse := true if not SEND\n",
    "allow if not f(1)\nf(_) if SEND.body.bad\n",
];

#[test]
fn nothing_around_a_call_makes_a_decision_of_a_refusal() {
    let refused = Err(Unanswered::Refused("the body is too large".to_owned()));
    let failed = Err(Unanswered::Failed("GET http://a:80: gone".to_owned()));
    for body in OPEN_WITHOUT {
        let text = body.replace("SEND", REQUEST);
        for policy in both(load_with(&text, false)) {
            let (result, _) = decided(&policy, &failed);
            assert_eq!(result.ok(), Some(Value::from(true)), "{text}");
        }
        for strict in [false, true] {
            for policy in both(load_with(&text, strict)) {
                let (result, asked) = decided(&policy, &refused);
                let Err(EvalError::Failed(error)) = result else {
                    panic!("{text} on {:?}: {result:?}", policy.engine());
                };
                assert_eq!(error.to_string(), "`http.send`: the body is too large");
                assert_eq!(asked.len(), 1);
            }
        }
    }
}

#[test]
fn a_request_that_could_not_be_written_out_is_never_awaited() {
    let object = |key: Value, value: Value| Value::from(BTreeMap::from([(key, value)]));
    // Each level is the one before it, twice.
    let shared = |levels: usize| {
        let twice = |body: Value, _| Value::from(vec![body.clone(), body]);
        object("body".into(), (0..levels).fold(json("[]"), twice))
    };
    // Each level is a key of the next.
    let keyed = |levels: usize| {
        let key = |body: Value, _| object(body, Value::from(true));
        object("body".into(), (0..levels).fold(json("\"x\""), key))
    };
    let text = "default allow := true\nallow := false if http.send(input).body.bad\n";
    for (request, why) in [
        (shared(10), None),
        (shared(40), Some("more than 100000 elements")),
        (keyed(1), None),
        (keyed(60), Some("a key is a collection")),
    ] {
        for policy in both(load_with(text, false)) {
            let mut externals = Externals::default();
            let result = policy.evaluate_with(request.clone(), LIMITS, &mut externals);
            assert_eq!(externals.awaited().is_some(), why.is_none(), "{why:?}");
            match (result, why) {
                (Err(EvalError::Awaits), None) => {}
                (Err(EvalError::Failed(error)), Some(why)) => {
                    assert!(error.to_string().contains(why), "{error}");
                }
                (_, why) => panic!("not {why:?}"),
            }
        }
    }
}

#[test]
fn equal_calls_have_one_answer_and_different_ones_their_own() {
    let text = r#"
allow := [a.body.ok, b.body.ok, c.body.ok] if {
    a := http.send({"method": "GET", "url": "http://a"})
    b := http.send({"url": "http://a", "method": "GET"})
    c := http.send({"url": "http://c", "method": "GET"})
}
"#;
    for policy in both(load_with(text, false)) {
        let (result, asked) = decided(&policy, &ok());
        assert_eq!(result.unwrap(), json("[true,true,true]"));
        assert_eq!(asked.len(), 2, "{asked:?}");
    }
}

#[test]
fn what_differs_between_evaluations_is_remembered_so_that_a_request_stays_the_same() {
    let text = r#"
allow := [now, id, n, other] if {
    now := time.now_ns()
    id := uuid.rfc4122("a")
    n := rand.intn("a", 1000000)
    other := uuid.rfc4122("b")
    http.send({"method": "POST", "url": "http://a", "body": [now, id, n]})
    http.send({"method": "POST", "url": "http://b", "body": [now, time.now_ns(), other]})
}
"#;
    for policy in both(load_with(text, false)) {
        let (result, asked) = decided(&policy, &ok());
        assert_eq!(asked.len(), 2, "{asked:?}");
        let seen = result.unwrap();
        let sent = json(&asked[0]["body"].to_json_str().unwrap());
        for (at, value) in sent.as_array().unwrap().iter().enumerate() {
            assert_eq!(*value, seen[at]);
        }
        assert_eq!(asked[1]["body"][0], asked[1]["body"][1]);
        assert_ne!(seen[1], seen[3]);
        // Another check has its own.
        let (other, _) = decided(&policy, &ok());
        assert_ne!(other.unwrap()[0], seen[0]);
    }
}

#[test]
fn a_mock_stands_in_and_nothing_is_awaited() {
    for text in [
        "allow if { r := http.send({}) with http.send as {\"body\": 1}; r.body == 1 }\n",
        "allow if inner with http.send as mock\ninner if http.send({\"a\": 1}).a == 1\nmock(r) := r\n",
        "allow if test_it\ntest_it if g with http.send as mock\ng if http.send({}).body == 2\nmock(_) := {\"body\": 2}\n",
    ] {
        for policy in both(load_with(text, false)) {
            let mut externals = Externals::default();
            let result = policy.evaluate_with(input(), LIMITS, &mut externals);
            assert_eq!(result.unwrap(), Value::from(true), "{text}");
            assert!(externals.awaited().is_none());
        }
    }
}

#[test]
fn what_a_check_knows_comes_back_also_when_it_panics() {
    let mut externals = Externals::default();
    externals.answer(json("1"), ok());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        externals.during(|| panic!("in between"));
    }));
    assert!(panicked.is_err());
    let policy = load_with("allow if http.send(1).body.ok\n", false);
    let result = policy.evaluate_with(input(), LIMITS, &mut externals);
    assert_eq!(result.unwrap(), Value::from(true));
    // And nobody else has it.
    assert!(matches!(
        policy.evaluate(input(), LIMITS),
        Err(EvalError::Awaits)
    ));
}

#[test]
fn a_query_that_sends_awaits_too() {
    let policy = Policy::load(
        &[module("package t\n")],
        &query("x := http.send({\"method\": \"GET\", \"url\": \"http://a\"}).body.ok; x"),
    );
    let policy = policy.unwrap();
    assert!(policy.summary().sends);
    assert!(matches!(
        policy.evaluate(input(), LIMITS),
        Err(EvalError::Awaits)
    ));
}
