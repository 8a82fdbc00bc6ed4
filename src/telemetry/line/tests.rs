//! What the log line of a check shows, and what it keeps to itself.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::*;
use crate::{
    identity::Xfcc,
    input::Value,
    outcome::{CheckError, Outcome, Shed},
    policy::{Engine, EvalError, EvaluatorError, Externals, Provenance},
    telemetry::{
        DecisionId, Record, StageTimes,
        log::{self, Format, tests::Lines},
    },
};

fn decide(text: &str) -> Outcome {
    let value = Value::from_json_str(text).expect("the test's JSON parses");
    Ok(Decision::parse(&value)?)
}

/// A request of a workload.
struct Asked<'a> {
    principal: &'a str,
    method: &'a str,
    path: &'a str,
}

const ASKED: Asked<'_> = Asked {
    principal: "spiffe://cluster.local/ns/a/sa/b",
    method: "GET",
    path: "/cart?token=hidden",
};

impl Asked<'_> {
    /// `CheckRequest.attributes`, with `source.principal` and `request.http`.
    fn bytes(&self) -> Bytes {
        let http = [
            field(2, self.method.as_bytes()),
            field(4, self.path.as_bytes()),
            field(5, b"shop:80"),
        ];
        let source = field(1, &field(4, self.principal.as_bytes()));
        let request = field(4, &field(2, &http.concat()));
        field(1, &[source, request].concat()).into()
    }
}

/// A length-delimited protobuf field.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(content.len().try_into().expect("a length"), &mut out);
    out.extend_from_slice(content);
    out
}

fn decided(outcome: Outcome) -> Record {
    Record {
        decision_id: DecisionId::of(uuid::Uuid::nil()),
        at: Duration::ZERO,
        request: ASKED.bytes(),
        outcome,
        dry_run: false,
        duration: Duration::from_micros(42),
        stages: StageTimes::default(),
        token: None,
        policy: Some(Arc::new(Provenance {
            revision: "r1".to_owned(),
            bundles: Vec::new(),
            entrypoint: "data.envoy.authz.allow".to_owned(),
            engine: Engine::Rvm,
        })),
        externals: Externals::default(),
        trace: None,
        shed: None,
    }
}

/// The lines that one check leaves at `level`.
fn lines(level: log::Level, record: &Record) -> Vec<serde_json::Value> {
    let lines = Lines::default();
    let subscriber = log::subscriber(level, Format::Json, false, lines.writer());
    tracing::subscriber::with_default(subscriber, || {
        let request = RequestView::parse(&record.request);
        let recorded = Recorded::new(record, &request, Xfcc::default());
        ProcessLog::new(&Interest::default()).consume(&recorded);
    });
    lines.json()
}

#[test]
fn of_many_checks_that_are_shed_few_are_told_and_of_other_errors_all() {
    for (error, told) in [
        (CheckError::Overload(Shed::Delay), [12, 3_000]),
        (CheckError::Budget(Stage::Policy), [3_000, 3_000]),
    ] {
        let is_shed = matches!(error, CheckError::Overload(_));
        let mut record = decided(Err(error));
        let mut told_of = |level| {
            (1..=3_000_u64)
                .map(|nth| {
                    record.shed = is_shed.then_some(nth);
                    lines(level, &record).len()
                })
                .sum::<usize>()
        };
        // Each power of two up to 2,048, and no multiple of 1,024 beside them.
        let seen = [told_of(log::Level::Info), told_of(log::Level::Debug)];
        assert_eq!(seen, told, "{:?}", record.outcome);
    }
}

#[test]
fn nobody_is_interested_in_what_the_level_hides() {
    for (level, wanted) in [
        (log::Level::Error, [false, false]),
        (log::Level::Info, [false, true]),
        (log::Level::Debug, [true, true]),
    ] {
        let lines = Lines::default();
        let subscriber = log::subscriber(level, Format::Json, false, lines.writer());
        let interest = Interest::default();
        let _log = tracing::subscriber::with_default(subscriber, || ProcessLog::new(&interest));
        let includes = [Answer::Allowed, Answer::Denied].map(|answer| interest.includes(answer));
        assert_eq!(includes, wanted, "{level:?}");
    }
}

#[test]
fn a_denial_is_one_line_at_info() {
    let outcome = decide(r#"{"allowed": false, "reason": "no badge"}"#);
    let lines = lines(log::Level::Info, &decided(outcome));
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let mut line = line.clone();
    let fields = line.as_object_mut().expect("an object");
    assert!(fields.remove("timestamp").is_some());
    assert_eq!(
        line,
        serde_json::json!({
            "level": "INFO",
            "target": "portcullis::check",
            "message": "check decided",
            "decision_id": "00000000-0000-0000-0000-000000000000",
            "outcome": "denied",
            "reason": "policy",
            "duration_us": 42,
            "peer.id": "spiffe://cluster.local/ns/a/sa/b",
            "http.method": "GET",
            "http.host": "shop:80",
            "http.path": "/cart",
            "policy.revision": "r1",
            "policy.engine": "rvm",
            "policy.reason": "no badge",
        })
    );
}

#[test]
fn an_allow_is_a_line_at_debug_only() {
    let record = decided(decide("true"));
    assert!(lines(log::Level::Info, &record).is_empty());
    let lines = lines(log::Level::Debug, &record);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["level"], "DEBUG");
    assert_eq!(lines[0]["outcome"], "allowed");
}

#[test]
fn at_error_no_check_is_a_line() {
    let failed = EvalError::Failed(EvaluatorError("x".to_owned()));
    assert!(lines(log::Level::Error, &decided(Err(failed.into()))).is_empty());
}

#[test]
fn an_error_shows_its_causes_and_its_stage() {
    let outcome = Err(EvalError::Failed(EvaluatorError("p.rego:3: no".to_owned())).into());
    let line = &lines(log::Level::Info, &decided(outcome))[0];
    assert_eq!(line["reason"], "evaluation");
    assert_eq!(
        line["error"],
        "the policy gave no decision: the policy did not evaluate: p.rego:3: no"
    );
    let late = &lines(
        log::Level::Info,
        &decided(Err(CheckError::Budget(Stage::Input))),
    )[0];
    assert_eq!(late["outcome"], "error");
    assert_eq!(late["budget.stage"], "input");
}

#[test]
fn dry_run_shows_what_would_have_happened() {
    let cases = [
        (decide("false"), "denied", "policy"),
        (Err(CheckError::Internal), "denied", "internal"),
        (
            Err(CheckError::Overload(Shed::InFlight)),
            "error",
            "overload",
        ),
    ];
    for (outcome, would, reason) in cases {
        let record = Record {
            dry_run: true,
            ..decided(outcome)
        };
        let line = &lines(log::Level::Info, &record)[0];
        assert_eq!(line["outcome"], "allowed");
        assert_eq!(line["would"], would);
        assert_eq!(line["reason"], reason);
        assert_eq!(line["dry_run"], true);
    }
}

#[test]
fn what_comes_from_outside_is_cut_and_masked() {
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln";
    let outcome = Err(EvalError::Failed(EvaluatorError(format!("bad {token}"))).into());
    let asked = Asked {
        principal: &"p".repeat(5_000),
        method: "GET\n{\"level\":\"INFO\"}",
        path: &format!("/reset/{token}/\u{e9}{}", "x".repeat(5_000)),
    };
    let record = Record {
        request: asked.bytes(),
        ..decided(outcome)
    };
    let lines = lines(log::Level::Info, &record);
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let text = line.to_string();
    assert!(!text.contains("eyJ"), "{text}");
    assert!(text.len() < 2_000, "{text}");
    assert_eq!(line["http.method"], "GET\n{\"level\":\"INFO\"}");
}
