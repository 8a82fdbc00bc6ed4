//! The metrics as a scrape of a gate shows them, where everything there is has happened once.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::Duration,
};

use portcullis::{
    decision::Decision,
    identity::jwt::{JwtError, Nudge},
    input::Value,
    policy::Engine,
    telemetry::{
        ActivePolicy, BundleActivated, BundleDownloaded, BundleFollowed, BundleHeard,
        CertificateLoaded, CheckDecided, KeysFetched, KeysFollowed, Metrics, PolicyActivated,
        SeenToken, StageTimes,
        bundles::Timings,
        decision_log::Sink,
        http_send::HostAllowed,
        jwks::{FetchCause, Fetched},
        metrics::PERFORMANCE_BUCKETS,
    },
};
use regex::Regex;

/// Label names, each with the values it has.
pub(crate) type Labels = BTreeMap<String, BTreeSet<String>>;

/// Every series by its name.
pub(crate) fn all() -> BTreeMap<String, Labels> {
    let line = Regex::new(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ").unwrap();
    let label = Regex::new(r#"([a-zA-Z_]+)="((?:[^"\\]|\\.)*)""#).unwrap();
    let mut exposed: BTreeMap<String, Labels> = BTreeMap::new();
    for sample in scrape().lines().filter_map(|text| line.captures(text)) {
        let labels = exposed.entry(sample[1].to_owned()).or_default();
        let inside = sample.get(2).map_or("", |inside| inside.as_str());
        for found in label.captures_iter(inside) {
            let values = labels.entry(found[1].to_owned()).or_default();
            values.insert(found[2].to_owned());
        }
    }
    exposed
}

fn scrape() -> String {
    let metrics = Metrics::new(Some(&PERFORMANCE_BUCKETS))
        .with_status_of_opa()
        .with_decision_log(&Sink::ALL)
        .with_budget(Duration::from_millis(100));
    for sink in Sink::ALL {
        metrics.decision_log().succeeded(sink, Duration::ZERO);
    }
    CertificateLoaded {
        expires: Some(Duration::ZERO),
    }
    .emit(&metrics);
    follow_a_bundle(&metrics);
    follow_keys(&metrics);
    answer_a_check(&metrics);
    HostAllowed { host: "h" }.emit(&metrics);
    PolicyActivated {
        policy: ActivePolicy {
            revision: "r",
            engine: Engine::Rvm,
        },
        source: "s",
        at: Duration::ZERO,
    }
    .emit(&metrics);
    metrics.encode()
}

fn follow_a_bundle(metrics: &Metrics) {
    let (bundle, source, at) = ("b", "s", Duration::ZERO);
    BundleFollowed { bundle, source, at }.emit(metrics);
    BundleDownloaded {
        bundle,
        source,
        size: 1,
        took: Duration::ZERO,
        at,
    }
    .emit(metrics);
    BundleActivated {
        bundle,
        revision: Some("r"),
        signed_by: None,
        at,
    }
    .emit(metrics);
    let timings = Timings {
        total: Some(Duration::ZERO),
        ..Timings::default()
    };
    BundleHeard {
        bundle,
        timings: &timings,
        good: true,
    }
    .emit(metrics);
}

fn follow_keys(metrics: &Metrics) {
    let (provider, source) = ("p", "s");
    KeysFollowed { provider, source }.emit(metrics);
    for outcome in [
        Fetched::Same { keys: 1 },
        Fetched::Failed {
            error: &io::Error::other("gone"),
            usable_for: Duration::ZERO,
        },
    ] {
        KeysFetched {
            provider,
            source,
            cause: FetchCause::Ttl,
            outcome,
            at: Duration::ZERO,
        }
        .emit(metrics);
    }
}

/// One with a token of an unknown key, so that every series of a provider is there.
fn answer_a_check(metrics: &Metrics) {
    CheckDecided {
        outcome: &Decision::parse(&Value::from(true)).map_err(Into::into),
        duration: Duration::ZERO,
        stages: &StageTimes::default(),
        request: None,
        token: Some(SeenToken {
            provider: Some("p"),
            error: Some(JwtError::UnknownKey),
            cached: false,
            nudge: Some(Nudge::Throttled),
        }),
    }
    .emit(metrics);
}
