//! What a scrape shows.

mod cardinality;
mod documented;
mod everything;
mod formats;
mod parsed;
mod recorded;

use super::{histogram::Histogram, *};
use crate::{
    decision::Decision,
    identity::jwt::{JwtError, Nudge},
    input::Value,
    outcome::{CheckError, Outcome, Reason, Shed, Stage},
    policy::EvalError,
    telemetry::{
        AcceptFailed, ActivePolicy, CallerRefused, CertificateRejected, CertificateReplaced,
        ConnectionAccepted, HandshakeFailed, PolicyActivated, PolicyRejected, Seen, SeenToken,
        StageTimes,
    },
};

/// The sample lines that start so.
fn samples(metrics: &Metrics, start: &str) -> Vec<String> {
    let text = metrics.encode();
    let lines = text.lines().filter(|line| line.starts_with(start));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn has(metrics: &Metrics, sample: &str) {
    let text = metrics.encode();
    assert!(
        text.lines().any(|line| line == sample),
        "no {sample} in\n{text}"
    );
}

fn record(metrics: &Metrics, outcome: &Outcome, caller: Option<&str>) {
    record_with(metrics, outcome, caller, None);
}

fn record_with(
    metrics: &Metrics,
    outcome: &Outcome,
    caller: Option<&str>,
    token: Option<SeenToken<'_>>,
) {
    let mut stages = StageTimes::default();
    stages.record(Stage::Policy, Duration::from_micros(15));
    CheckDecided {
        outcome,
        duration: Duration::from_micros(30),
        stages: &stages,
        request: Some(Seen {
            caller,
            ..Seen::default()
        }),
        token,
    }
    .emit(metrics);
}

fn decided(value: bool) -> Outcome {
    Ok(Decision::parse(&Value::from(value))?)
}

/// One error for every reason but the policy's own.
fn errors() -> Vec<CheckError> {
    vec![
        EvalError::Undefined.into(),
        EvalError::Conflict(None).into(),
        Decision::parse(&Value::Null)
            .expect_err("no decision")
            .into(),
        EvalError::InstructionLimit(1).into(),
        crate::request::InvalidRequest::TooManyHeaders(1).into(),
        CheckError::Budget(Stage::Input),
        CheckError::Overload(Shed::InFlight),
        CheckError::NotReady,
        CheckError::Internal,
        CheckError::Token(JwtError::Expired),
    ]
}

#[test]
fn names_types_and_descriptions() {
    let metrics = Metrics::new(Some(&PERFORMANCE_BUCKETS));
    metrics.policy_activated("r1", Engine::Rvm, Duration::ZERO);
    let text = metrics.encode();
    let described = text.lines().filter(|line| line.starts_with("# "));
    insta::assert_snapshot!(described.collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_reason_is_counted_under_its_own_labels() {
    let metrics = Metrics::new(None);
    record(&metrics, &decided(true), Some("spiffe://a/b"));
    record(&metrics, &decided(false), Some("spiffe://a/b"));
    has(
        &metrics,
        r#"portcullis_checks_total{outcome="allowed",reason="policy"} 1"#,
    );
    has(
        &metrics,
        r#"portcullis_checks_total{outcome="denied",reason="policy"} 1"#,
    );
    assert_eq!(errors().len() + 1, Reason::ALL.len());
    for error in errors() {
        let reason = error.reason();
        record(&metrics, &Err(error), None);
        let (outcome, reason) = (reason.answer().as_str(), reason.as_str());
        has(
            &metrics,
            &format!(r#"portcullis_checks_total{{outcome="{outcome}",reason="{reason}"}} 1"#),
        );
    }
    has(&metrics, "portcullis_shed_total{cause=\"in_flight\"} 1");
    has(&metrics, "portcullis_panics_total 1");
    has(
        &metrics,
        r#"portcullis_budget_exceeded_total{stage="input"} 1"#,
    );
    has(
        &metrics,
        r#"portcullis_budget_exceeded_total{stage="policy"} 0"#,
    );
    has(&metrics, "portcullis_principal_missing_total 10");
}

#[test]
fn the_number_of_series_does_not_depend_on_requests() {
    let metrics = Metrics::new(Some(&PERFORMANCE_BUCKETS));
    let before = metrics.encode().lines().count();
    record(&metrics, &decided(true), Some("spiffe://a/b"));
    for error in errors() {
        record(&metrics, &Err(error), None);
    }
    assert_eq!(metrics.encode().lines().count(), before);
    assert!(!metrics.encode().contains("secret"));
}

#[test]
fn durations_fall_into_their_buckets() {
    let metrics = Metrics::new(None);
    record(&metrics, &decided(true), None);
    has(
        &metrics,
        r#"portcullis_check_duration_seconds_bucket{le="0.0000152587890625"} 0"#,
    );
    has(
        &metrics,
        r#"portcullis_check_duration_seconds_bucket{le="0.000030517578125"} 1"#,
    );
    has(
        &metrics,
        r#"portcullis_check_duration_seconds_bucket{le="+Inf"} 1"#,
    );
    has(&metrics, "portcullis_check_duration_seconds_count 1");
    has(&metrics, "portcullis_check_duration_seconds_sum 0.00003");
    has(
        &metrics,
        r#"portcullis_stage_duration_seconds_count{stage="policy"} 1"#,
    );
    has(
        &metrics,
        r#"portcullis_stage_duration_seconds_count{stage="input"} 0"#,
    );
}

#[test]
fn a_histogram_takes_any_bounds_and_durations() {
    let histogram = Histogram::new(&[1.0, f64::NAN, -1.0, 0.5, f64::INFINITY, 1.0]);
    histogram.observe(Duration::ZERO);
    histogram.observe(Duration::from_millis(500));
    histogram.observe(Duration::MAX);
    let mut registry = Registry::default();
    registry.register("h", "A histogram", histogram);
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("encodes");
    let buckets: Vec<_> = text
        .lines()
        .filter(|line| line.contains("_bucket"))
        .collect();
    assert_eq!(
        buckets,
        [
            r#"h_bucket{le="0.5"} 2"#,
            r#"h_bucket{le="1.0"} 2"#,
            r#"h_bucket{le="+Inf"} 3"#
        ]
    );
}

#[test]
fn a_check_is_in_flight_until_its_guard_is_dropped() {
    let metrics = Metrics::new(None);
    let first = metrics.enter(2).unwrap();
    let second = metrics.enter(2).unwrap();
    assert!(metrics.enter(2).is_none());
    has(&metrics, "portcullis_in_flight 2");
    drop(first);
    has(&metrics, "portcullis_in_flight 1");
    drop(second);
    has(&metrics, "portcullis_in_flight 0");
}

#[test]
fn only_the_active_policy_is_shown() {
    let metrics = Metrics::new(None);
    for (revision, engine) in [("r1", Engine::Rvm), ("r2", Engine::Interpreter)] {
        PolicyActivated {
            policy: ActivePolicy { revision, engine },
            source: "./policies",
            at: Duration::from_secs(1_700_000_000),
        }
        .emit(&metrics);
    }
    PolicyRejected {
        problems: &"1 problem",
        source: "./policies",
        kept: Some("r2"),
    }
    .emit(&metrics);
    assert_eq!(
        samples(&metrics, "portcullis_policy_"),
        [
            r#"portcullis_policy_activations_total{result="failure"} 1"#,
            r#"portcullis_policy_activations_total{result="success"} 2"#,
            r#"portcullis_policy_info{revision="r2",engine="interpreter"} 1"#,
            "portcullis_policy_last_activation_timestamp_seconds 1700000000.0",
        ]
    );
}

#[test]
fn what_happens_to_connections_is_counted_each_by_itself() {
    let metrics = Metrics::new(None);
    let error = &std::io::Error::other("out of files");
    let problem = &"no certificate";
    let counted = |name: &str| samples(&metrics, name).concat();
    let events: [(&str, &dyn Fn()); 6] = [
        ("portcullis_connections_accepted_total", &|| {
            ConnectionAccepted.emit(&metrics);
        }),
        ("portcullis_connection_accept_failures_total", &|| {
            AcceptFailed { error }.emit(&metrics);
        }),
        ("portcullis_tls_handshake_failures_total", &|| {
            HandshakeFailed { error }.emit(&metrics);
        }),
        ("portcullis_callers_refused_total", &|| {
            CallerRefused { error }.emit(&metrics);
        }),
        (
            r#"portcullis_certificate_reloads_total{result="success"}"#,
            &|| CertificateReplaced { expires: None }.emit(&metrics),
        ),
        (
            r#"portcullis_certificate_reloads_total{result="failure"}"#,
            &|| CertificateRejected { problem }.emit(&metrics),
        ),
    ];
    for (name, emit) in events {
        assert_eq!(counted(name), format!("{name} 0"));
        emit();
        assert_eq!(counted(name), format!("{name} 1"));
    }
}

#[test]
fn performance_metrics_are_opa_envoys_and_off_by_default() {
    let off = Metrics::new(None);
    record(&off, &decided(true), None);
    assert!(!off.encode().contains("grpc_request_duration_seconds"));

    let on = Metrics::new(Some(&[0.001]));
    record(&on, &decided(false), None);
    record(&on, &Err(EvalError::Undefined.into()), None);
    has(
        &on,
        r#"grpc_request_duration_seconds_bucket{handler="check",le="0.001"} 1"#,
    );
    has(
        &on,
        r#"grpc_request_duration_seconds_count{handler="check"} 1"#,
    );
    has(&on, r#"error_counter{reason="envoyauth_eval_error"} 1"#);
    has(&on, r#"error_counter{reason="request_parse_error"} 0"#);
}

#[test]
fn every_result_of_a_token_is_counted() {
    let metrics = Metrics::new(None);
    let token = |error, cached, nudge| SeenToken {
        provider: Some("main"),
        error,
        cached,
        nudge,
    };
    let allowed = Ok(Decision::parse(&Value::from(true)).expect("a decision"));
    let count = |token| record_with(&metrics, &allowed, None, Some(token));
    count(token(None, true, None));
    count(token(None, false, None));
    for error in JwtError::ALL {
        count(token(Some(error), false, None));
    }
    count(token(
        Some(JwtError::UnknownKey),
        false,
        Some(Nudge::Accepted),
    ));
    count(token(
        Some(JwtError::UnknownKey),
        false,
        Some(Nudge::Throttled),
    ));
    has(
        &metrics,
        r#"portcullis_token_verifications_total{result="verified"} 2"#,
    );
    has(
        &metrics,
        r#"portcullis_token_verifications_total{result="unknown_key"} 3"#,
    );
    for error in JwtError::ALL.map(JwtError::as_str) {
        assert_eq!(
            samples(
                &metrics,
                &format!("portcullis_token_verifications_total{{result=\"{error}\"")
            )
            .len(),
            1
        );
    }
    has(&metrics, "portcullis_token_cache_hits_total 1");
    has(
        &metrics,
        r#"portcullis_jwks_unknown_kid_throttled_total{provider="main"} 1"#,
    );
}
