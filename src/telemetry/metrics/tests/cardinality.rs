//! Nothing that a caller sends makes a series.

use std::collections::BTreeSet;

use super::{everything::shown, *};
use crate::telemetry::decision_log::Sink;

const CHECKS: usize = 100_000;
const PROVIDERS: [&str; 2] = ["main", "partner"];

/// The names of all series, with their labels.
fn series(metrics: &Metrics) -> BTreeSet<String> {
    let families = shown(metrics).into_values();
    let samples = families.flat_map(|family| family.samples);
    samples
        .map(|sample| format!("{} {:?}", sample.name, sample.labels))
        .collect()
}

#[test]
fn checks_of_any_kind_leave_the_number_of_series_unchanged() {
    let metrics = Metrics::new(Some(&PERFORMANCE_BUCKETS)).with_decision_log(&Sink::ALL);
    for provider in PROVIDERS {
        metrics.jwks.expect(provider);
    }
    let before = series(&metrics);
    let mut outcomes = vec![decided(true), decided(false)];
    outcomes.extend(errors().into_iter().map(Err));
    for _ in 0..CHECKS {
        decide_at_random(&metrics, &outcomes);
    }
    assert_eq!(series(&metrics), before);
    let checks = &shown(&metrics)["portcullis_checks_total"].samples;
    let counted: f64 = checks.iter().map(|sample| sample.value).sum();
    assert!((counted - 100_000.0).abs() < 0.5, "{counted}");
}

fn decide_at_random(metrics: &Metrics, outcomes: &[Outcome]) {
    let text = || format!("{:x}", fastrand::u64(..));
    let (host, caller) = (text(), format!("spiffe://{}", text()));
    let error = fastrand::choice(JwtError::ALL);
    let provider = fastrand::choice(PROVIDERS);
    CheckDecided {
        outcome: fastrand::choice(outcomes).unwrap(),
        duration: Duration::from_nanos(fastrand::u64(..1_000_000_000)),
        stages: &StageTimes::default(),
        request: fastrand::bool().then_some(Seen {
            caller: fastrand::bool().then_some(&caller),
            host: &host,
            forwarded_client_cert: fastrand::bool(),
        }),
        token: fastrand::bool().then_some(SeenToken {
            provider,
            error: error.filter(|_| fastrand::bool()),
            cached: fastrand::bool(),
            nudge: fastrand::choice([Some(Nudge::Throttled), Some(Nudge::Accepted), None]).unwrap(),
        }),
    }
    .emit(metrics);
}
