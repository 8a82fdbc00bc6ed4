//! Whole events, as auditors read them; and that nothing secret is in one.

mod secrets;

use serde_json::Value as Event;

use super::*;
use crate::{
    decision_log::samples::{
        TRACE, capture, captures, check_request, decision, entry, field, http_request, json,
        record, recorded, token,
    },
    identity::jwt::JwtError,
    outcome::Shed,
    policy::EvalError,
    redact::Secret,
    telemetry::RecordedToken,
};

pub(super) fn options() -> Options {
    let labels = [("id", "gate-1"), ("version", "0.1.0"), ("region", "eu")];
    Options {
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        nd_builtin_cache: true,
        redact: credentials::Options {
            key: Some(Secret::new(b"key".to_vec())),
            ..credentials::Options::default()
        },
        ..Options::default()
    }
}

pub(super) fn text(options: &Options, record: &Record) -> String {
    let mut writer = Writer::new(options);
    let event = recorded(record, |recorded| {
        writer.draft(recorded).finish(recorded, None)
    });
    String::from_utf8(event).unwrap()
}

fn event(record: &Record) -> Event {
    serde_json::from_str(&text(&options(), record)).unwrap()
}

#[test]
fn an_allow_with_everything_there_is() {
    let outcome = decision(
        r#"{"allowed": true, "headers": {"x-user": "alice", "authorization": "Bearer upstream"},
            "request_headers_to_remove": ["x-secret-hint"], "reason": "owner",
            "response_headers_to_add": {"set-cookie": ["a=1", "b=2"], "x-one": "1"},
            "query_parameters_to_set": {"tenant": "t 1", "token": "abc"},
            "query_parameters_to_remove": ["debug"],
            "dynamic_metadata": {"n": 7, "half": 0.5, "list": [true, null], "password": {"a": "x", "b": 1}}}"#,
    );
    let record = Record {
        trace: Some(TRACE),
        token: Some(token(r#"{"sub":"alice","tier":"premium","code":"kept"}"#)),
        ..record(capture("http1-mtls-jwt"), outcome)
    };
    insta::assert_json_snapshot!(event(&record));
}

#[test]
fn a_denial_by_policy() {
    let outcome = decision(
        r#"{"allowed": false, "http_status": 429, "body": "slow down", "headers": {"retry-after": "1"}}"#,
    );
    insta::assert_json_snapshot!(event(&record(capture("http2-mtls-json-body"), outcome)));
}

#[test]
fn an_error_with_its_causes() {
    let error = EvalError::Conflict(Some(crate::policy::EvaluatorError(
        "p.rego:3: complete rule for eyJhbGciOi.eyJzdWIi.c2ln".to_owned(),
    )));
    let record = Record {
        token: Some(RecordedToken {
            provider: None,
            verified: Err(JwtError::Expired),
            cached: false,
        }),
        ..record(capture("http1-plaintext-badjwt"), Err(error.into()))
    };
    insta::assert_json_snapshot!(event(&record));
}

#[test]
fn a_check_that_was_shed_for_a_tcp_connection_without_a_policy() {
    let record = Record {
        policy: None,
        shed: Some(12),
        ..record(capture("tcp-mtls-sni"), Err(Shed::InFlight.into()))
    };
    insta::assert_json_snapshot!(event(&record));
}

#[test]
fn a_dry_run_of_a_plaintext_caller() {
    let record = Record {
        dry_run: true,
        ..record(capture("http1-plaintext-get"), decision("false"))
    };
    insta::assert_json_snapshot!(event(&record));
}

#[test]
fn a_request_that_cannot_be_read() {
    let unreadable = bytes::Bytes::from_static(b"\xff\xff");
    let error = crate::request::RequestView::parse(&unreadable).unwrap_err();
    insta::assert_json_snapshot!(event(&record(unreadable, Err(error.into()))));
}

#[test]
fn every_capture_has_a_one_line_event_with_the_keys_that_are_always_there() {
    for (name, bytes) in captures() {
        for outcome in [decision("true"), Err(CheckError::Internal)] {
            let failed = outcome.is_err();
            let text = text(&options(), &record(bytes.clone(), outcome));
            assert!(!text.contains('\n'), "{name}");
            let event: Event =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            for key in [
                "labels",
                "decision_id",
                "path",
                "bundles",
                "timestamp",
                "input",
                "metrics",
            ] {
                assert!(event.get(key).is_some(), "{name} {key}");
            }
            assert_eq!(event.get("error").is_some(), failed, "{name}");
            assert_eq!(event.get("result").is_some(), !failed, "{name}");
            assert!(event.pointer("/input/attributes").is_some(), "{name}");
        }
    }
}

#[test]
fn what_makes_a_check_fail_never_takes_its_event_away() {
    for (path, body, missing) in [
        (
            "/a%zz?x=1",
            "{}",
            &["parsed_path", "parsed_query", "parsed_body"][..],
        ),
        (
            "/a?x=%",
            "{}",
            &["parsed_path", "parsed_query", "parsed_body"],
        ),
        ("/a", "{", &["parsed_body", "truncated_body"]),
    ] {
        let json = entry(3, "content-type", "application/json");
        let http = [json, field(4, path), field(11, body)];
        let bytes = check_request(&[http_request(&http)]);
        let event = event(&record(bytes, Err(CheckError::Internal)));
        assert_eq!(
            event
                .pointer("/input/attributes/request/http/path")
                .unwrap(),
            path
        );
        for key in missing {
            assert!(
                event.pointer(&format!("/input/{key}")).is_none(),
                "{path} {key}"
            );
        }
        assert!(event.pointer("/input/version").is_some(), "{path}");
    }
}

#[test]
fn a_decision_that_is_nothing_but_its_verdict_is_a_boolean() {
    for (said, logged) in [
        ("true", "true"),
        ("false", "false"),
        (r#"{"allowed": true}"#, "true"),
        (r#"{"allowed": false, "http_status": 403}"#, "false"),
        (
            r#"{"allowed": true, "reason": "x"}"#,
            r#"{"allowed":true,"reason":"x"}"#,
        ),
        (
            r#"{"allowed": false, "http_status": 401}"#,
            r#"{"allowed":false,"http_status":401}"#,
        ),
        (
            r#"{"allowed": false, "reason": "x"}"#,
            r#"{"allowed":false,"reason":"x"}"#,
        ),
        (
            r#"{"allowed": true, "headers": {"a": [{"value": "1", "append_action": "APPEND_IF_EXISTS_OR_ADD"}, "2"]}}"#,
            r#"{"allowed":true,"headers":{"a":[{"append_action":"APPEND_IF_EXISTS_OR_ADD","value":"1"},"2"]}}"#,
        ),
    ] {
        let event = event(&record(capture("http1-mtls-get"), decision(said)));
        assert_eq!(event["result"].to_string(), logged, "{said}");
    }
}

#[test]
fn configured_headers_of_the_request_are_its_context() {
    let options = Options {
        request_context_headers: ["X-Request-Id", "Authorization", "x-none"]
            .map(str::to_owned)
            .to_vec(),
        ..options()
    };
    let text = text(
        &options,
        &record(capture("http1-plaintext-jwt"), decision("true")),
    );
    let event: Event = serde_json::from_str(&text).unwrap();
    let headers = event.pointer("/request_context/http/headers").unwrap();
    let id = event.pointer("/input/attributes/request/http/headers/x-request-id");
    assert_eq!(headers["X-Request-Id"][0], *id.unwrap());
    let authorization = headers["Authorization"][0].as_str().unwrap();
    assert!(
        authorization.starts_with("Bearer sha256:"),
        "{authorization}"
    );
    assert_eq!(headers.as_object().unwrap().len(), 2);
    let none = event_without_context();
    assert!(none.get("request_context").is_none());
}

fn event_without_context() -> Event {
    event(&record(capture("http1-plaintext-jwt"), decision("true")))
}

#[test]
fn what_was_asked_of_others_is_told_when_it_is_asked_for() {
    let mut record = record(capture("http1-mtls-get"), decision("true"));
    let request = json(
        r#"{"method": "get", "url": "https://h/?token=abc", "headers": {"Authorization": "Bearer abc"}}"#,
    );
    let response = json(
        r#"{"status_code": 200, "body": {"ok": true, "access_token": "abc"}, "headers": {"set-cookie": ["a=abc"]},
            "raw_body": "{\"access_token\": \"abc\"}"}"#,
    );
    record.externals.answer(request, Ok(response));
    let told = event(&record);
    insta::assert_json_snapshot!(told["nd_builtin_cache"]);
    let silent = Options {
        nd_builtin_cache: false,
        ..options()
    };
    let silent: Event = serde_json::from_str(&text(&silent, &record)).unwrap();
    assert!(silent.get("nd_builtin_cache").is_none());
}

#[test]
fn the_budgets_stage_and_a_raw_query_are_told() {
    let mut late = record(
        capture("http1-mtls-get"),
        Err(CheckError::Budget(Stage::Input)),
    );
    late.policy = Some(std::sync::Arc::new(crate::policy::Provenance {
        entrypoint: "data.a.b = x".to_owned(),
        bundles: Vec::new(),
        ..(**late.policy.as_ref().unwrap()).clone()
    }));
    let event = event(&late);
    assert_eq!(event["portcullis"]["stage"], "input");
    assert_eq!(event["portcullis"]["reason"], "budget");
    assert_eq!(event["query"], "data.a.b = x");
    assert!(event.get("path").is_none() && event.get("bundles").is_none());
}

#[test]
fn times_have_nine_digits() {
    for (at, written) in [
        (Duration::ZERO, "1970-01-01T00:00:00.000000000Z"),
        (
            Duration::new(1_795_320_199, 1),
            "2026-11-22T04:03:19.000000001Z",
        ),
        (Duration::MAX, "1970-01-01T00:00:00.000000000Z"),
    ] {
        assert_eq!(timestamp(at), written);
    }
}
