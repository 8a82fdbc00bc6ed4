//! A server as `portcullis run` builds it, on free ports, with its policy in a temporary folder.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use portcullis::{
    admin::{Health, Views},
    app::{
        App, Stopped,
        build::{build, check_options},
        listen::Bound,
        raw::Raw,
    },
    check::{Active, CheckService, Knowledge},
    clock::Clock,
    config::{Config, Given},
    http_send,
    ready::Ready,
    shutdown::{self, Trigger},
    snapshot::Snapshot,
    sources::file::Files,
    telemetry::Metrics,
};
use prost::Message as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};
use tonic::{
    Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::AsciiMetadataValue,
    transport::{Channel, Endpoint},
};

use crate::log;

/// A server that answers.
pub(crate) struct Server {
    folder: TempDir,
    grpc: Channel,
    admin: SocketAddr,
    stop: Trigger,
    serving: JoinHandle<Stopped>,
}

/// An answer of the admin port.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Server {
    /// Serves one module, with `set` on top of the default configuration.
    pub(crate) async fn start(policy: &str, set: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("policy.rego"), policy).unwrap();
        Self::serving(folder, set).await
    }

    /// Serves what is in `folder`.
    pub(crate) async fn serving(folder: TempDir, set: &[&str]) -> Self {
        let mut files = Files::new(&[]).unwrap();
        files.add_path(folder.path().to_str().unwrap()).unwrap();
        Self::of(files, folder, set).await
    }

    /// Serves `files`, which are in `folder`.
    pub(crate) async fn of(files: Files, folder: TempDir, set: &[&str]) -> Self {
        log::start();
        let running = build(&config(set), files).await.unwrap();
        let grpc = connect(tcp(running.bound().grpc())).await;
        let admin = tcp(running.bound().admin());
        let (stop, stopping) = shutdown::channel();
        Self {
            folder,
            grpc,
            admin,
            stop,
            serving: tokio::spawn(running.run(stopping)),
        }
    }

    /// Serves without ever having had a policy.
    pub(crate) async fn without_policy(set: &[&str]) -> Self {
        log::start();
        let metrics = Arc::new(Metrics::new(None));
        let shown = Arc::clone(&metrics);
        let views = Views {
            ready: Ready::new(),
            health: Arc::new(Health::default),
            metrics: Arc::new(move || shown.encode()),
            policy: Arc::new(|| Value::Null),
            bundles: Arc::new(serde_json::Map::new),
            status: Arc::new(|| Value::Null),
            config: Value::Null,
            version: Value::Null,
        };
        let config = config(set);
        let app = App::start(&config, views, Arc::clone(&metrics))
            .await
            .unwrap();
        let admin = tcp(app.admin());
        let check = check_options(&config);
        let (telemetry, recording) = log::told(metrics);
        let knowledge = knowledge(Snapshot::empty(), &telemetry.metrics);
        let service = CheckService::new(knowledge, check, telemetry, Clock::System);
        let bound = app.listen(service).await.unwrap();
        let grpc = connect(tcp(bound.grpc())).await;
        let (stop, stopping) = shutdown::channel();
        let serving = async move {
            let stopped = bound.run(stopping).await;
            drop(recording);
            stopped
        };
        Self {
            folder: TempDir::new().unwrap(),
            grpc,
            admin,
            stop,
            serving: tokio::spawn(serving),
        }
    }

    /// Where the policy is.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// One check that must be answered.
    pub(crate) async fn check(&self, request: &[u8]) -> CheckResponse {
        let answer = self.try_check(request, None).await;
        answer.expect("a CheckResponse, not a gRPC error")
    }

    /// One check with a `grpc-timeout`.
    pub(crate) async fn try_check(
        &self,
        request: &[u8],
        timeout: Option<&'static str>,
    ) -> Result<CheckResponse, Status> {
        check(&self.grpc, request, timeout).await
    }

    /// The connection, to check from elsewhere.
    pub(crate) fn channel(&self) -> Channel {
        self.grpc.clone()
    }

    /// `GET` on the admin port.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        soon(get(self.admin, path)).await
    }

    /// `GET` on the admin port, as JSON.
    pub(crate) async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.body).unwrap()
    }

    /// The value of one series of `/metrics`.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let metrics = self.get("/metrics").await.body;
        let mut lines = metrics.lines();
        lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until one series of `/metrics` is as wanted.
    pub(crate) async fn metric_when(&self, series: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        soon(async {
            loop {
                if let Some(value) = self.metric(series).await.filter(|value| wanted(*value)) {
                    return value;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    /// Waits until `/readyz` says so.
    pub(crate) async fn ready(&self) {
        soon(async {
            while self.get("/readyz").await.status != 200 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// The names of all series of `/metrics`, with their labels.
    pub(crate) async fn series(&self) -> Vec<String> {
        let metrics = self.get("/metrics").await.body;
        let names = metrics.lines().filter_map(|line| line.rsplit_once(' '));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    /// Waits until `/policy` is as wanted.
    pub(crate) async fn policy_when(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        soon(async {
            loop {
                let policy = self.json("/policy").await;
                if wanted(&policy) {
                    return policy;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    /// Asks for a stop and waits for the end.
    pub(crate) async fn stop(self) -> Stopped {
        self.stop.graceful();
        drop(self.grpc);
        soon(self.serving).await.unwrap()
    }
}

/// A policy, nobody who may be believed, and nowhere to send to.
pub(crate) fn knowledge(active: Snapshot<Active>, metrics: &Arc<Metrics>) -> Knowledge {
    let sends = http_send::Client::new(
        http_send::Options::default(),
        Clock::System,
        Arc::clone(metrics),
    );
    Knowledge {
        active,
        callers: Arc::default(),
        sends,
    }
}

/// The default configuration on free ports, with `set` on top.
pub(crate) fn config(set: &[&str]) -> Config {
    let base = [
        "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0",
        "portcullis.admin.addr=127.0.0.1:0",
        "portcullis.observe.addr=off",
        "portcullis.shutdown.grace=0s",
    ];
    let set: Vec<String> = base.iter().chain(set).map(|s| (*s).to_owned()).collect();
    let given = Given {
        file: None,
        set: &set,
        set_file: &[],
    };
    Config::load(given, &|_| None).unwrap()
}

/// Connects to a gRPC port.
pub(crate) async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    soon(endpoint.connect()).await.unwrap()
}

/// One check of raw bytes.
pub(crate) async fn check(
    channel: &Channel,
    request: &[u8],
    timeout: Option<&'static str>,
) -> Result<CheckResponse, Status> {
    let mut call = tonic::Request::new(Bytes::copy_from_slice(request));
    if let Some(timeout) = timeout {
        let value = AsciiMetadataValue::from_static(timeout);
        call.metadata_mut().insert("grpc-timeout", value);
    }
    let mut client = Grpc::new(channel.clone());
    let path = PathAndQuery::from_static("/envoy.service.auth.v3.Authorization/Check");
    let answer = soon(async {
        let unreachable = |error| Status::unknown(format!("not reachable: {error}"));
        client.ready().await.map_err(unreachable)?;
        client.unary(call, path, Raw).await
    });
    let bytes = answer.await?.into_inner();
    Ok(CheckResponse::decode(bytes).expect("prost reads the answer"))
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("chunked"), "{head}");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: body.to_owned(),
    }
}

fn tcp(bound: &Bound) -> SocketAddr {
    match bound {
        Bound::Tcp(address) => *address,
        Bound::Unix(_) | Bound::Abstract(_) => panic!("`{bound}` is not a TCP address"),
    }
}

/// Fails a test that would hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_mins(1);
    let done = tokio::time::timeout(limit, future).await;
    done.expect("within a minute")
}
