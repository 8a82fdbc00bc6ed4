//! Metrics of which every series has been seen once.

use std::collections::BTreeMap;

use super::{
    parsed::{Family, Format, parse},
    *,
};
use crate::telemetry::{
    CertificateLoaded,
    bundles::{Answer, Stage as BundleStage, Timings},
    decision_log::Sink,
};

/// Every metric that there can be, with every series that it has at one time or another, in
/// Prometheus' format.
pub(super) fn everything() -> BTreeMap<String, Family> {
    let metrics = Metrics::new(Some(&PERFORMANCE_BUCKETS))
        .with_status_of_opa()
        .with_decision_log(&Sink::ALL)
        .with_budget(Duration::from_millis(100));
    bundles(&metrics);
    metrics.http_send.expect("idp.example");
    metrics.jwks.expect("main");
    metrics.jwks.fresh("main", Duration::ZERO);
    metrics.jwks.usable("main", 1);
    metrics.jwks.not_persisted("main");
    record_with(
        &metrics,
        &Err(CheckError::Token(JwtError::UnknownKey)),
        None,
        Some(SeenToken {
            provider: Some("main"),
            error: Some(JwtError::UnknownKey),
            cached: false,
            nudge: Some(Nudge::Throttled),
        }),
    );
    let expires = Some(Duration::from_secs(1));
    CertificateLoaded { expires }.emit(&metrics);
    for sink in Sink::ALL {
        metrics.decision_log().succeeded(sink, Duration::ZERO);
    }
    let mut all = BTreeMap::new();
    // One policy is shown at a time.
    for engine in [Engine::Rvm, Engine::Interpreter] {
        metrics.policy_activated("r1", engine, Duration::ZERO);
        merge(&mut all, shown(&metrics));
    }
    all
}

/// What a scrape shows.
pub(super) fn shown(metrics: &Metrics) -> BTreeMap<String, Family> {
    let text = exposition::prometheus(&metrics.encode());
    parse(&text, Format::Prometheus)
}

fn bundles(metrics: &Metrics) {
    let (bundles, at) = (&metrics.bundles, Duration::ZERO);
    bundles.expect("authz", at);
    bundles.answered("authz", Answer::Downloaded, at);
    bundles.activated("authz", "r1", at);
    bundles.failed("authz", BundleStage::Download, Some(500));
    bundles.good("authz");
    bundles.size("authz", 1);
    let step = Some(Duration::from_millis(1));
    let timings = Timings {
        download: step,
        read: step,
        compile: step,
        tests: step,
        total: step,
    };
    bundles.took("authz", &timings);
}

fn merge(all: &mut BTreeMap<String, Family>, shown: BTreeMap<String, Family>) {
    for (name, family) in shown {
        let known = all.entry(name).or_default();
        known.kind = family.kind;
        known.samples.extend(family.samples);
    }
}
