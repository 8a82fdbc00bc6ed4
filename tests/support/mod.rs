//! Real servers on free ports, real clients, and certificates made on the spot.

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod wire;

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portcullis::{
    admin::{Health, Views},
    app::{App, StartError, Stopped, build::check_options, listen::Bound},
    check::{Active, CheckService, Knowledge},
    clock::Clock,
    config::{Config, ListenAddr, ObserveAddr},
    http_send, input,
    policy::{Policy, PolicyFile},
    ready::Ready,
    shutdown::{self, Trigger},
    snapshot::Snapshot,
    telemetry::Metrics,
};
use serde_json::json;
use tokio::task::JoinHandle;

/// A server that answers.
pub(crate) struct Running {
    pub(crate) grpc: Bound,
    pub(crate) admin: SocketAddr,
    pub(crate) ready: Ready,
    pub(crate) stop: Trigger,
    metrics: Arc<Metrics>,
    serving: JoinHandle<Stopped>,
}

impl Running {
    /// Starts a server with what `change` makes of [`config`].
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::deciding_by(POLICY, change).await
    }

    /// The same with another policy.
    pub(crate) async fn deciding_by(policy: &[u8], change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self::try_deciding_by(policy, &config).await.unwrap()
    }

    pub(crate) async fn try_start(config: &Config) -> Result<Self, StartError> {
        Self::try_deciding_by(POLICY, config).await
    }

    async fn try_deciding_by(policy: &[u8], config: &Config) -> Result<Self, StartError> {
        let (ready, metrics) = (Ready::new(), Arc::new(Metrics::new(None)));
        let app = App::start(config, views(ready.clone()), Arc::clone(&metrics)).await?;
        let admin = tcp(app.admin());
        let service = service_deciding_by(policy, config, &metrics);
        let bound = app.listen(service).await?;
        let (stop, stopping) = shutdown::channel();
        Ok(Self {
            grpc: bound.grpc().clone(),
            admin,
            ready,
            stop,
            metrics,
            serving: tokio::spawn(bound.run(stopping)),
        })
    }

    /// What the metrics show for `sample`, a name with its labels.
    pub(crate) fn count(&self, sample: &str) -> u64 {
        let text = self.metrics.encode();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.expect(sample).parse().unwrap()
    }

    /// Waits until `sample` is at `expected`: the server counts a caller after that has noticed.
    pub(crate) async fn reaches(&self, sample: &str, expected: u64) {
        let counted = async {
            while self.count(sample) < expected {
                tokio::task::yield_now().await;
            }
        };
        soon(counted).await;
        assert_eq!(self.count(sample), expected, "{sample}");
    }

    /// Waits until `sample`, which goes up and down, is at `expected`.
    pub(crate) async fn settles(&self, sample: &str, expected: u64) {
        let settled = async {
            while self.count(sample) != expected {
                tokio::task::yield_now().await;
            }
        };
        soon(settled).await;
    }

    /// Waits for the end of the server.
    pub(crate) async fn stopped(self) -> Stopped {
        soon(self.serving).await.unwrap()
    }
}

/// What the servers of these tests answer with: friends are allowed, everybody else is denied.
pub(crate) fn check_service(config: &Config, metrics: &Arc<Metrics>) -> CheckService {
    service_deciding_by(POLICY, config, metrics)
}

fn service_deciding_by(policy: &[u8], config: &Config, metrics: &Arc<Metrics>) -> CheckService {
    let policy = PolicyFile {
        name: "friends.rego".to_owned(),
        data_path: Vec::new(),
        bytes: policy.to_vec(),
    };
    let policy = Policy::load(&[policy], &config.load_options()).unwrap();
    let active = Active::new(policy, &input::Options::default());
    let metrics = Arc::clone(metrics);
    CheckService::new(
        knowledge(Snapshot::of(active), &metrics),
        check_options(config),
        metrics,
        Clock::System,
    )
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

/// Friends are allowed, everybody else is denied.
pub(crate) const POLICY: &[u8] = br#"
package envoy.authz

default allow := false

allow if startswith(input.attributes.source.service, "friend")
"#;

/// Free ports on the loopback interface, no grace.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.plugin.addr = loopback();
    config.portcullis.admin.addr = loopback();
    config.portcullis.observe.addr = ObserveAddr::Off;
    config.portcullis.shutdown.grace = Duration::ZERO;
    // These tests are about the way to a check, and share the machine with each other.
    config.portcullis.budget = Duration::from_secs(20);
    config
}

/// A free port on the loopback interface.
pub(crate) fn loopback() -> ListenAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Views with something to recognise in each.
pub(crate) fn views(ready: Ready) -> Views {
    views_with_bundles(ready, Arc::new(AtomicBool::new(true)))
}

/// The bundle, and the plugin `bundle` with it, is active while `active` says so.
pub(crate) fn views_with_bundles(ready: Ready, active: Arc<AtomicBool>) -> Views {
    Views {
        ready,
        health: Arc::new(move || {
            let up = active.load(Ordering::SeqCst);
            Health {
                bundles_activated: up,
                plugins: BTreeMap::from([
                    ("bundle".to_owned(), up),
                    ("envoy_ext_authz_grpc".to_owned(), true),
                ]),
            }
        }),
        metrics: Arc::new(|| "# EOF\n".to_owned()),
        policy: Arc::new(|| json!({"revision": "r1"})),
        bundles: Arc::new(serde_json::Map::new),
        status: Arc::new(|| json!({"bundles": {}})),
        config: json!({"listen": ":9191"}),
        version: json!({"version": "0.0.0"}),
    }
}

pub(crate) fn tcp(bound: &Bound) -> SocketAddr {
    match bound {
        Bound::Tcp(address) => *address,
        Bound::Unix(_) | Bound::Abstract(_) => panic!("`{bound}` is not a TCP address"),
    }
}

/// Fails a test that would hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("within twenty seconds")
}

/// Long, because it only ends tests that fail.
const PATIENCE: Duration = Duration::from_secs(20);
