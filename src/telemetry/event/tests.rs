//! What the log line of a check shows, and what it keeps to itself.

use super::*;
use crate::{
    decision::Decision,
    input::Value,
    outcome::{CheckError, Shed},
    policy::{EvalError, EvaluatorError},
    telemetry::log::{self, Format, tests::Lines},
};

fn decide(text: &str) -> Outcome {
    let value = Value::from_json_str(text).expect("the test's JSON parses");
    Ok(Decision::parse(&value)?)
}

fn seen() -> Seen<'static> {
    Seen {
        caller: Some("spiffe://cluster.local/ns/a/sa/b"),
        method: "GET",
        path: "/cart?token=hidden",
        host: "shop:80",
        forwarded_client_cert: false,
    }
}

/// The lines that one check leaves at `level`.
fn lines(
    level: log::Level,
    outcome: &Outcome,
    dry_run: bool,
    request: Option<Seen<'_>>,
) -> Vec<serde_json::Value> {
    lines_of_each(&[level], 1, outcome, dry_run, request).remove(0)
}

/// The lines that so many checks leave at each of `levels`.
fn lines_of_each(
    levels: &[log::Level],
    checks: usize,
    outcome: &Outcome,
    dry_run: bool,
    request: Option<Seen<'_>>,
) -> Vec<Vec<serde_json::Value>> {
    let check = CheckDecided {
        decision_id: "d-1",
        outcome,
        dry_run,
        duration: Duration::from_micros(42),
        stages: &StageTimes::default(),
        request,
        token: None,
        policy: Some(ActivePolicy {
            revision: "r1",
            engine: Engine::Rvm,
        }),
    };
    let of_level = |level: &log::Level| {
        let (lines, metrics) = (Lines::default(), Metrics::new(None));
        let subscriber = log::subscriber(*level, Format::Json, false, lines.writer());
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..checks {
                check.emit(&metrics);
            }
        });
        lines.json()
    };
    levels.iter().map(of_level).collect()
}

#[test]
fn of_many_checks_that_are_shed_few_are_told_and_of_other_errors_all() {
    let levels = [log::Level::Info, log::Level::Debug];
    for (error, told) in [
        (CheckError::Overload(Shed::Delay), [12, 3_000]),
        (CheckError::Budget(Stage::Policy), [3_000, 3_000]),
    ] {
        let lines = lines_of_each(&levels, 3_000, &Err(error), false, None);
        // Each power of two up to 2,048, and no multiple of 1,024 beside them.
        let told_of = [lines[0].len(), lines[1].len()];
        assert_eq!(told_of, told, "{:?}", lines[0].first());
    }
}

#[test]
fn a_denial_is_one_line_at_info() {
    let outcome = decide(r#"{"allowed": false, "reason": "no badge"}"#);
    let lines = lines(log::Level::Info, &outcome, false, Some(seen()));
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
            "decision_id": "d-1",
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
    let outcome = decide("true");
    assert!(lines(log::Level::Info, &outcome, false, None).is_empty());
    let lines = lines(log::Level::Debug, &outcome, false, None);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["level"], "DEBUG");
    assert_eq!(lines[0]["outcome"], "allowed");
}

#[test]
fn at_error_no_check_is_a_line() {
    let failed = EvalError::Failed(EvaluatorError("x".to_owned()));
    assert!(lines(log::Level::Error, &Err(failed.into()), false, None).is_empty());
}

#[test]
fn an_error_shows_its_causes_and_its_stage() {
    let outcome = Err(EvalError::Failed(EvaluatorError("p.rego:3: no".to_owned())).into());
    let line = &lines(log::Level::Info, &outcome, false, None)[0];
    assert_eq!(line["reason"], "evaluation");
    assert_eq!(
        line["error"],
        "the policy gave no decision: the policy did not evaluate: p.rego:3: no"
    );
    let late = &lines(
        log::Level::Info,
        &Err(CheckError::Budget(Stage::Input)),
        false,
        None,
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
        let line = &lines(log::Level::Info, &outcome, true, None)[0];
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
    let request = Seen {
        caller: Some(&"p".repeat(5_000)),
        method: "GET\n{\"level\":\"INFO\"}",
        path: &format!("/reset/{token}/\u{e9}{}", "x".repeat(5_000)),
        host: "h",
        forwarded_client_cert: false,
    };
    let lines = lines(log::Level::Info, &outcome, false, Some(request));
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let text = line.to_string();
    assert!(!text.contains("eyJ"), "{text}");
    assert!(text.len() < 2_000, "{text}");
    assert_eq!(line["http.method"], "GET\n{\"level\":\"INFO\"}");
}
