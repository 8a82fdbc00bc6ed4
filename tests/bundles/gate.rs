//! Followers with everything around them, and bundles that tell their version.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use portcullis::{
    clock::Clock,
    input::{self, Value},
    policy::{
        Entrypoint, Limits, LoadOptions,
        bundle::{self, Verification},
    },
    ready::Ready,
    services::{Credentials, Service, Tls},
    sources::{
        bundles::{
            Followers, Kind, Polling, Source,
            status::{Stage, Status},
        },
        publish::Publisher,
    },
    telemetry::Metrics,
};

use crate::server::{BundleServer, archive};

/// Where the bundle of most tests is.
pub(crate) const PATH: &str = "/bundles/authz";

/// A policy whose module and data both know its number: it says nothing when they differ.
pub(crate) fn version(number: u32) -> Vec<u8> {
    let manifest = format!(r#"{{"revision": "{number}", "roots": ["envoy", "release"]}}"#);
    let module = format!(
        "package envoy.authz\n\nallow := {number} if data.release.number == {number}\n\ntest_release if allow == {number}\n"
    );
    let data = format!(r#"{{"number": {number}}}"#);
    archive(&[
        (".manifest", manifest.as_bytes()),
        ("envoy/policy.rego", module.as_bytes()),
        ("release/data.json", data.as_bytes()),
    ])
}

/// A bundle of this revision that owns `root` and has one module.
pub(crate) fn bundle(revision: &str, root: &str, module: &str) -> Vec<u8> {
    let manifest = format!(r#"{{"revision": "{revision}", "roots": ["{root}"]}}"#);
    archive(&[
        (".manifest", manifest.as_bytes()),
        ("policy.rego", module.as_bytes()),
    ])
}

/// Polls as fast as it goes.
pub(crate) fn polling() -> Polling {
    Polling {
        min_delay: Duration::from_millis(5),
        max_delay: Duration::from_millis(20),
        long_polling_timeout: None,
    }
}

pub(crate) fn source(name: &str, kind: Kind) -> Source {
    Source {
        name: name.into(),
        kind,
        polling: polling(),
        manual: false,
        persist: None,
        limits: bundle::Limits::default(),
        verification: Arc::new(Verification::None),
        monotonic: None,
        run_tests: false,
        max_age: None,
    }
}

/// The bundle `name` of this server.
pub(crate) fn at(server: &BundleServer, name: &str) -> Source {
    let service = Service {
        name: "ours".into(),
        url: server.origin().parse().unwrap(),
        oci: false,
        response_header_timeout: Duration::from_millis(500),
        headers: BTreeMap::new(),
        tls: Tls::default(),
        credentials: Credentials::None,
    };
    let kind = Kind::Http {
        service: Arc::new(service),
        resource: format!("bundles/{name}"),
    };
    source(name, kind)
}

/// A gate without its ports.
pub(crate) struct Gate {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) ready: Ready,
    pub(crate) followers: Followers,
    metrics: Arc<Metrics>,
}

impl Gate {
    pub(crate) async fn start(sources: Vec<Source>) -> Self {
        Self::start_at(Clock::System, sources).await
    }

    pub(crate) async fn start_at(clock: Clock, sources: Vec<Source>) -> Self {
        let metrics = Arc::new(Metrics::new(None).with_status_of_opa());
        let load = LoadOptions {
            entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
            v0_compatible: false,
            strict_builtin_errors: false,
        };
        let publisher = Arc::new(Publisher::new(
            load,
            input::Options::default(),
            "no files".into(),
            Arc::clone(&metrics),
            clock,
        ));
        let ready = Ready::new();
        let mut followers = Followers::new(
            Arc::clone(&publisher),
            ready.clone(),
            Arc::clone(&metrics),
            clock,
        );
        followers.follow(sources).await;
        Self {
            publisher,
            ready,
            followers,
            metrics,
        }
    }

    /// A gate that decides by version 1 from this server.
    pub(crate) async fn with_version_1(server: &BundleServer, source: Source) -> Self {
        server.set(PATH, crate::server::Version::new("1", version(1)));
        let gate = Self::start(vec![source]).await;
        gate.decides(1).await;
        gate
    }

    /// Which version decides now; `None` when there is no policy, or one that has fallen apart.
    pub(crate) fn version(&self) -> Option<u32> {
        let active = self.publisher.active().load_full()?;
        let decision = active.policy().evaluate(Value::new_object(), LIMITS).ok()?;
        decision.as_u32().ok()
    }

    /// Waits until this version decides, and until its bundle's status says that all is well.
    pub(crate) async fn decides(&self, number: u32) {
        soon(async {
            while self.version() != Some(number) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    pub(crate) fn status(&self, name: &str) -> Status {
        self.publisher.statuses().of(name).unwrap()
    }

    /// Waits until the status of `name` is as wanted.
    pub(crate) async fn status_when(&self, name: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut changes = self.publisher.statuses().watch();
        soon(async {
            loop {
                let all = changes.current();
                if let Some(status) = all.into_iter().find(|s| &*s.name == name && wanted(s)) {
                    return status;
                }
                changes.changed().await.unwrap();
            }
        })
        .await
    }

    /// Waits until `name` has failed there.
    pub(crate) async fn fails(&self, name: &str, stage: Stage) -> Status {
        self.status_when(name, |status| {
            status
                .failure
                .as_ref()
                .is_some_and(|failure| failure.stage == stage)
        })
        .await
    }

    /// Waits until this server is ready, or is not any more.
    pub(crate) async fn readiness(&self, wanted: bool) {
        let mut watch = self.ready.watch();
        soon(async {
            while watch.current().is_ready() != wanted {
                watch.changed().await;
            }
        })
        .await;
    }

    /// The value of a series.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.metrics.encode();
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until a series has this value at least.
    pub(crate) async fn reaches(&self, series: &str, least: f64) {
        soon(async {
            while self.metric(series).is_none_or(|value| value < least) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// All series that begin so.
    pub(crate) fn series(&self, start: &str) -> Vec<String> {
        let text = self.metrics.encode();
        let lines = text.lines().filter(|line| line.starts_with(start));
        lines.map(str::to_owned).collect()
    }
}

/// Fails a test that would hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_mins(1), future)
        .await
        .expect("within a minute")
}

const LIMITS: Limits = Limits {
    time: Duration::from_secs(5),
    instructions: usize::MAX,
    memory: 64 << 20,
};
