//! What an event of the decision log costs, off the line: from a record to its bytes. What came out is
//! asserted inside every loop.
//!
//! `cargo bench --bench decision_log` prints criterion's figures.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "a measurement fails by panicking"
)]

#[path = "line/one_check.rs"]
#[expect(dead_code, reason = "measures something else than decisions")]
mod one_check;

use std::{
    hint::black_box,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use criterion::Criterion;
use portcullis::{
    decision::Decision,
    decision_log::{DecisionLog, Entry, Sink, event},
    identity::Xfcc,
    input::Value,
    outcome::Stage,
    policy::Externals,
    request::RequestView,
    snapshot::Snapshot,
    telemetry::{
        DecisionId, Metrics, Record, Recorded, StageTimes,
        recorder::{Consumer as _, Interest},
    },
};

/// The last event that was offered.
#[derive(Clone, Default)]
struct Last(Arc<Mutex<Option<Entry>>>);

impl Sink for Last {
    fn offer(&mut self, entry: &Entry) {
        *self.0.lock().unwrap() = Some(entry.clone());
    }

    fn finish(&mut self, _deadline: Instant) {}
}

struct Case {
    name: &'static str,
    record: Record,
    log: DecisionLog,
    last: Last,
}

impl Case {
    fn new(name: &'static str, capture: &str, decision: &str, log: &str, rules: bool) -> Self {
        let active = one_check::active(&format!("package envoy.authz\n\nallow := true\n{log}"));
        let policy = Arc::clone(active.policy().provenance());
        let last = Last::default();
        let path = |last: &str| Some(["envoy", "authz", last].map(str::to_owned).to_vec());
        let options = event::Options {
            labels: [("id".to_owned(), "bench".to_owned())].into(),
            mask: path("mask"),
            drop: path("drop"),
            nd_builtin_cache: true,
            rules,
            ..event::Options::default()
        };
        let log = DecisionLog::new(
            options,
            vec![Box::new(last.clone())],
            Snapshot::of(active),
            Arc::new(Metrics::new(None)),
            &Interest::default(),
        );
        let decision = Value::from_json_str(decision).unwrap();
        let mut stages = StageTimes::default();
        for stage in Stage::ALL {
            stages.record(stage, Duration::from_nanos(1_234));
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/captures")
            .join(capture)
            .with_extension("pb");
        let record = Record {
            decision_id: DecisionId::random(),
            at: Duration::new(1_795_320_199, 164_060_000),
            request: std::fs::read(path).unwrap().into(),
            outcome: Ok(Decision::parse(&decision).unwrap()),
            dry_run: false,
            duration: Duration::from_micros(50),
            stages,
            token: None,
            policy: Some(policy),
            externals: Externals::default(),
            trace: None,
            shed: None,
        };
        Self {
            name,
            record,
            log,
            last,
        }
    }

    /// As on the recorder's thread: with the request read again.
    fn run(&mut self) {
        let request = RequestView::parse(&self.record.request);
        let recorded = Recorded::new(&self.record, &request, Xfcc::Ignored);
        self.log.consume(&recorded);
        let entry = self.last.0.lock().unwrap().take().unwrap();
        assert!(entry.json.len() > 1_000 && entry.json.ends_with(b"}}"));
        black_box(entry);
    }
}

fn cases() -> Vec<Case> {
    let denial =
        r#"{"allowed": false, "body": "no", "headers": {"x-why": "no"}, "http_status": 401}"#;
    let mask = r#"mask contains "/input/attributes/request/http/headers/user-agent""#;
    vec![
        Case::new("istio_get", "http1-mtls-get", "true", "", false),
        Case::new("istio_get_with_token", "http1-mtls-jwt", "true", "", false),
        Case::new(
            "json_body_denied",
            "http2-mtls-json-body",
            denial,
            "",
            false,
        ),
        Case::new("istio_get_masked", "http1-mtls-get", "true", mask, false),
        Case::new("istio_get_with_rules", "http1-mtls-get", "true", "", true),
    ]
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("decision_log");
    for mut case in cases() {
        group.bench_function(case.name, |b| b.iter(|| case.run()));
    }
    group.finish();
    criterion.final_summary();
}
