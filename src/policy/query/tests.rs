//! Rules beside the entrypoint: what they give, and how far they may go.

use std::time::Duration;

use crate::input::Value;
use crate::policy::{Entrypoint, EvalError, Limits, LoadOptions, Policy, PolicyFile};

const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    instructions: 1_000_000,
    memory: 64 << 20,
};

fn policy(texts: &[&str]) -> Policy {
    let files: Vec<PolicyFile> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| PolicyFile {
            name: format!(
                "{at}.{}",
                if text.starts_with('{') {
                    "json"
                } else {
                    "rego"
                }
            ),
            data_path: Vec::new(),
            bytes: text.as_bytes().to_vec(),
        })
        .collect();
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    Policy::load(&files, &options).unwrap()
}

fn json(text: &str) -> Value {
    Value::from_json_str(text).unwrap()
}

const AUTHZ: &str = "package envoy.authz\nallow := true";
const LOG: &str = r#"package system.log
mask contains "/input/attributes/request/http/body"
mask contains {"op": "upsert", "path": "/input/jwt", "value": input.path} if input.result
drop if input.path == "envoy/authz/allow"
first(x) := x[0]
"#;
const HEALTH: &str = "package system.health\nlive if input.plugins_ready\nready := \"yes\" if live";

#[test]
fn a_rule_beside_the_entrypoint_has_its_value_and_none_where_it_is_undefined() {
    let policy = policy(&[AUTHZ, LOG, HEALTH, r#"{"shop": {"open": [1, 2]}}"#]);
    let input = r#"{"path":"envoy/authz/allow","result":true,"plugins_ready":true}"#;
    for (path, input, expected) in [
        (&["system", "log", "drop"][..], input, Some("true")),
        (&["system", "log", "drop"], r#"{"path":"other"}"#, None),
        (
            &["system", "log", "mask"],
            input,
            Some(
                r#"["/input/attributes/request/http/body",{"op":"upsert","path":"/input/jwt","value":"envoy/authz/allow"}]"#,
            ),
        ),
        (
            &["system", "log", "mask"],
            "{}",
            Some(r#"["/input/attributes/request/http/body"]"#),
        ),
        (
            &["system", "health"],
            input,
            Some(r#"{"live":true,"ready":"yes"}"#),
        ),
        (&["system", "health", "ready"], "{}", None),
        (&["system", "log", "first"], input, None),
        (&["system", "log", "other"], input, None),
        (&["nothing"], input, None),
        (&["shop", "open"], input, Some("[1,2]")),
        (&["envoy", "authz", "allow"], input, Some("true")),
    ] {
        let value = policy.query(path, json(input), LIMITS).unwrap();
        let value = value.map(|value| value.to_json_str().unwrap());
        let value = value.map(|text| json(&text));
        assert_eq!(value, expected.map(json), "{path:?} of {input}");
    }
}

#[test]
fn what_a_policy_defines_is_known_without_evaluating_it() {
    let policy = policy(&[AUTHZ, LOG]);
    for (path, defined) in [
        (&["system", "log", "mask"][..], true),
        (&["system", "log"], true),
        (&["system", "log", "mask", "x"], true),
        (&["system", "log", "first"], false),
        (&["system", "health"], false),
        (&["system", "log", "dro"], false),
    ] {
        assert_eq!(policy.defines(path), defined, "{path:?}");
    }
}

#[test]
fn the_entrypoint_decides_as_before_whatever_else_was_asked() {
    let policy = policy(&[AUTHZ, LOG]);
    for _ in 0..3 {
        policy
            .query(&["system", "log", "mask"], json("{}"), LIMITS)
            .unwrap();
        let decided = policy.evaluate(json("{}"), LIMITS).unwrap();
        assert_eq!(decided, Value::from(true));
    }
}

#[test]
fn a_rule_without_end_is_ended_by_the_limits() {
    let policy = policy(&[
        AUTHZ,
        "package system.log\nmask contains x if { some x in numbers.range(1, 2000); some y in numbers.range(1, 2000); some z in numbers.range(1, 2000); x + y == z + 7000 }",
    ]);
    let limits = Limits {
        time: Duration::from_millis(20),
        ..LIMITS
    };
    let error = policy.query(&["system", "log", "mask"], json("{}"), limits);
    assert!(matches!(error, Err(EvalError::TimeLimit)), "{error:?}");
}

#[test]
fn nobody_answers_http_send_here() {
    let policy = policy(&[
        AUTHZ,
        "package system.log\ndrop if http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1/\"}).status_code == 200",
    ]);
    let error = policy.query(&["system", "log", "drop"], json("{}"), LIMITS);
    assert!(matches!(error, Err(EvalError::Failed(_))), "{error:?}");
}

#[test]
fn definitions_that_disagree_are_an_error_and_no_value() {
    let policy = policy(&[
        AUTHZ,
        "package system.log\ndrop := 1 if input.a\ndrop := 2 if input.b",
    ]);
    let both = policy.query(&["system", "log", "drop"], json(r#"{"a":1,"b":1}"#), LIMITS);
    assert!(matches!(both, Err(EvalError::Conflict(_))), "{both:?}");
    let one = policy.query(&["system", "log", "drop"], json(r#"{"a":1}"#), LIMITS);
    assert_eq!(one.unwrap(), Some(Value::from(1_u64)));
}
