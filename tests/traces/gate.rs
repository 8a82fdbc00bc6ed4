//! A gate that tells a collector of its checks, and the wiring of the whole server.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse,
    attribute_context::{self, HttpRequest, Peer},
    authorization_client::AuthorizationClient,
};
use http::{HeaderMap, HeaderName};
use portcullis::{
    app::{
        build::{build, check_options},
        listen,
    },
    check::{Active, Call, CheckService, Knowledge},
    clock::Clock,
    config::{Config, Given},
    http_send,
    identity::Xfcc,
    input,
    policy::{Policy, PolicyFile},
    response::OnError,
    shutdown,
    snapshot::Snapshot,
    sources::file::Files,
    telemetry::{
        Metrics, Recorder, Telemetry, Tracing,
        recorder::{self, Interest, Recording},
    },
    traces::{
        Spans,
        otlp::{self, Protocol},
    },
};
use prost::Message as _;

use crate::collector::{Collector, Does};

/// Answers checks, and has what it told sent in the end.
pub(crate) struct Gate {
    service: CheckService,
    recording: Recording,
    pub(crate) metrics: Arc<Metrics>,
}

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if startswith(input.attributes.request.http.path, "/open")

allow := 7 if input.attributes.request.http.path == "/broken"
"#;

pub(crate) const CALLER: &str = "spiffe://cluster.local/ns/shop/sa/cart";
const BEARER: &str = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2VjcmV0";

impl Gate {
    /// A gate that tells the collector with these options, and samples this share of traces.
    pub(crate) fn new(collector: otlp::Options, ratio: f64) -> Self {
        let config = Config::default();
        let metrics = Arc::new(Metrics::new(None));
        let spans = Spans::start(collector, OnError::default(), &metrics).unwrap();
        let (recorder, recording) = Recorder::start(
            recorder::Options::default(),
            Interest::default(),
            Xfcc::default(),
            vec![Box::new(spans)],
            Arc::clone(&metrics),
        )
        .unwrap();
        let file = PolicyFile {
            name: "policy.rego".to_owned(),
            data_path: Vec::new(),
            bytes: POLICY.as_bytes().to_vec(),
        };
        let policy = Policy::load(&[file], &config.load_options()).unwrap();
        let sends = config.portcullis.http_send.clone();
        let knowledge = Knowledge {
            active: Snapshot::of(Active::new(policy, &input::Options::default())),
            callers: Arc::default(),
            sends: http_send::Client::new(sends, Clock::System, Arc::clone(&metrics)),
        };
        let mut options = check_options(&config);
        options.budget.budget = Duration::from_secs(20);
        let telemetry = Telemetry {
            metrics: Arc::clone(&metrics),
            recorder,
            tracing: Tracing::spans(ratio),
        };
        Self {
            service: CheckService::new(knowledge, options, telemetry, Clock::System),
            recording,
            metrics,
        }
    }

    /// Whether a request of `path` is let through, asked with these headers of the call.
    pub(crate) async fn check(&self, path: &str, metadata: &[(&'static str, &str)]) -> bool {
        let metadata: HeaderMap = metadata
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let call = Call {
            metadata: &metadata,
            request: Bytes::from(request(path).encode_to_vec()),
            called: self.service.now(),
            arrived: self.service.now(),
        };
        let answer = self.service.check(call).await.unwrap();
        let answer = CheckResponse::decode(answer).unwrap();
        answer.status.unwrap().code == 0
    }

    /// Has everything sent, within `time`, and says what was counted as exported, lost to a full queue and
    /// lost on the way.
    pub(crate) async fn finish(self, time: Duration) -> [usize; 3] {
        let recording = self.recording;
        let finish = move || recording.finish(Instant::now() + time);
        tokio::task::spawn_blocking(finish).await.unwrap();
        [
            "portcullis_spans_exported_total ",
            r#"portcullis_spans_dropped_total{cause="queue_full"} "#,
            r#"portcullis_spans_dropped_total{cause="export_failed"} "#,
        ]
        .map(|series| count(&self.metrics, series))
    }
}

pub(crate) fn count(metrics: &Metrics, series: &str) -> usize {
    let text = metrics.encode();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.expect(series).trim().parse().unwrap()
}

fn request(path: &str) -> CheckRequest {
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: [("authorization".to_owned(), BEARER.to_owned())].into(),
        ..HttpRequest::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                principal: CALLER.to_owned(),
                ..Peer::default()
            }),
            request: Some(attribute_context::Request {
                http: Some(http),
                ..attribute_context::Request::default()
            }),
            ..AttributeContext::default()
        }),
    }
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_exports_the_spans_its_configuration_asks_for_and_the_rest_at_its_end() {
    let collector = Collector::start(Protocol::Grpc, Does::Takes).await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.rego"), POLICY).unwrap();
    for (percentage, parent, expected) in
        [(100, None, true), (0, None, false), (0, Some("01"), true)]
    {
        let set = [
            "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0".to_owned(),
            "portcullis.admin.addr=127.0.0.1:0".to_owned(),
            "portcullis.shutdown.grace=0s".to_owned(),
            "portcullis.budget=20s".to_owned(),
            "distributed_tracing.type=grpc".to_owned(),
            format!(
                "distributed_tracing.address=localhost:{}",
                collector.address.port()
            ),
            format!("distributed_tracing.sample_percentage={percentage}"),
            "distributed_tracing.resource.service_instance_id=gate-0".to_owned(),
        ];
        let given = Given {
            set: &set,
            ..Given::default()
        };
        let config = Config::load(given, &|_| None).unwrap();
        let mut files = Files::new(&[]).unwrap();
        files.add_path(folder.path().to_str().unwrap()).unwrap();
        let running = build(&config, files).await.unwrap();
        let listen::Bound::Tcp(address) = running.bound().grpc().clone() else {
            panic!("no TCP");
        };
        let (stop, watch) = shutdown::channel();
        let serving = tokio::spawn(running.run(watch));
        let url = format!("http://{address}");
        let mut client = AuthorizationClient::connect(url).await.unwrap();
        let mut call = tonic::Request::new(request("/open"));
        if let Some(flags) = parent {
            let text = format!("00-{:032x}-{:016x}-{flags}", 7, 9);
            call.metadata_mut()
                .insert("traceparent", text.parse().unwrap());
        }
        client.check(call).await.unwrap();
        drop(client);
        stop.graceful();
        serving.await.unwrap();
        let spans = std::mem::take(&mut *collector.got.spans.lock().unwrap());
        assert_eq!(!spans.is_empty(), expected, "{percentage} {parent:?}");
        if parent.is_some() {
            assert_eq!(spans[0].trace_id, 7_u128.to_be_bytes());
            assert_eq!(spans[0].parent_span_id, 9_u64.to_be_bytes());
        }
    }
    let resources = collector.got.resources.lock().unwrap();
    let of = &resources[0].attributes;
    let value = |key| crate::collector::value(of, key);
    assert_eq!(value("service.name").unwrap(), "opa");
    assert_eq!(value("service.instance.id").unwrap(), "gate-0");
    assert_eq!(value("service.version").unwrap(), env!("CARGO_PKG_VERSION"));
}
