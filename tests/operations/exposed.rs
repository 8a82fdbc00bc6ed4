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
        ActivePolicy, BundleActivated, BundleDownloaded, BundleFollowed, BundleHeard, CheckDecided,
        KeysFetched, KeysFollowed, Metrics, PolicyActivated, SeenToken, StageTimes,
        bundles::Timings,
        http_send::HostAllowed,
        jwks::{FetchCause, Fetched},
        metrics::PERFORMANCE_BUCKETS,
    },
};
use regex::Regex;

/// Label names, each with the values it has.
pub(crate) type Labels = BTreeMap<String, BTreeSet<String>>;

/// The name of a label with values it has.
type Label = (&'static str, &'static [&'static str]);

/// Names that will be there: the metrics of decision logs, the recorder, the live tail, spans, calls, the
/// process and the certificate, with their labels. A name that is there already does not belong here.
pub(crate) const PENDING: &[(&str, &[Label])] = &[
    ("portcullis_decision_log_decisions_total", &[]),
    (
        "portcullis_decision_log_skipped_total",
        &[("cause", &["sampled", "drop_decision"])],
    ),
    ("portcullis_decision_log_sent_total", &[SINK]),
    (
        "portcullis_decision_log_dropped_total",
        &[("sink", &["all"]), ("cause", &[])],
    ),
    ("portcullis_decision_log_queue_records", &[]),
    ("portcullis_decision_log_queue_bytes", &[]),
    ("portcullis_decision_log_buffered_records", &[SINK]),
    ("portcullis_decision_log_buffered_bytes", &[SINK]),
    ("portcullis_decision_log_spilled_bytes", &[]),
    ("portcullis_decision_log_failures_total", &[SINK]),
    (
        "portcullis_decision_log_last_success_timestamp_seconds",
        &[SINK],
    ),
    ("portcullis_recorder_dropped_total", &[("cause", &[])]),
    ("portcullis_process_log_dropped_total", &[]),
    ("portcullis_observe_watchers", &[]),
    ("portcullis_observe_lost_total", &[]),
    ("portcullis_spans_exported_total", &[]),
    ("portcullis_spans_dropped_total", &[("cause", &[])]),
    ("portcullis_tls_certificate_expiry_timestamp_seconds", &[]),
    ("grpc_server_started_total", &[]),
    ("grpc_server_handled_total", &[("grpc_code", &[])]),
    ("grpc_server_handling_seconds_bucket", &[("le", &[])]),
    ("process_cpu_seconds_total", &[]),
    ("process_resident_memory_bytes", &[]),
    ("process_open_fds", &[]),
    ("process_max_fds", &[]),
    ("process_threads", &[]),
    ("process_start_time_seconds", &[]),
];

const SINK: Label = ("sink", &["console", "file", "service", "otlp"]);

/// Every series by its name, those that are [`PENDING`] left out.
pub(crate) fn now() -> BTreeMap<String, Labels> {
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

/// [`now`] and [`PENDING`] together.
pub(crate) fn all() -> BTreeMap<String, Labels> {
    let mut exposed = now();
    for (name, labels) in PENDING {
        let values = |values: &[&str]| values.iter().map(ToString::to_string).collect();
        let labels = labels.iter().map(|(l, v)| ((*l).to_owned(), values(v)));
        exposed.insert((*name).to_owned(), labels.collect());
    }
    exposed
}

fn scrape() -> String {
    let metrics = Metrics::new(Some(&PERFORMANCE_BUCKETS))
        .with_status_of_opa()
        .with_budget(Duration::from_millis(100));
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
        decision_id: "id",
        outcome: &Decision::parse(&Value::from(true)).map_err(Into::into),
        dry_run: false,
        duration: Duration::ZERO,
        stages: &StageTimes::default(),
        request: None,
        token: Some(SeenToken {
            provider: Some("p"),
            error: Some(JwtError::UnknownKey),
            cached: false,
            nudge: Some(Nudge::Throttled),
        }),
        policy: None,
    }
    .emit(metrics);
}
