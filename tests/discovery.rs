//! Discovery against a real server of bundles: what it brings, changes, breaks and removes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/bundles.rs"]
#[expect(dead_code, unused_imports, reason = "other tests use the rest")]
mod bundles;

use std::{fs, sync::Arc};

use bundles::{Answer, BundleServer, Version, archive};
use portcullis::{
    app::discovery::{Keeper, Kept},
    clock::Clock,
    config::{Config, Given},
    input,
    ready::{Readiness, Ready},
    sources::publish::Publisher,
    telemetry::Metrics,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// A gate without its ports.
struct Gate {
    publisher: Arc<Publisher>,
    ready: Ready,
    metrics: Arc<Metrics>,
    started: JoinHandle<Kept>,
    _folder: TempDir,
}

fn gate(server: &BundleServer, more: &str) -> Gate {
    server.set("/status", Answer::status(200));
    reporting(server, server, more)
}

/// A gate that reports to another server.
fn reporting(server: &BundleServer, reports: &BundleServer, more: &str) -> Gate {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let text = format!(
        "services: [{{name: s, url: '{}'}}, {{name: r, url: '{}'}}]\n\
         labels: {{zone: a}}\n\
         status: {{service: r}}\n\
         discovery: {{resource: d, decision: gate, persist: true,\
         \x20polling: {{long_polling_timeout_seconds: 60}}}}\n\
         {more}",
        server.origin(),
        reports.origin()
    );
    let text = if text.contains("persistence_directory") {
        text
    } else {
        format!("{text}\npersistence_directory: {}", folder.path().display())
    };
    fs::write(&file, text).unwrap();
    let given = Given {
        file: Some(&file),
        ..Given::default()
    };
    let config = Config::load(given, &|_| None).unwrap();
    let (metrics, ready) = (Arc::new(Metrics::new(None)), Ready::new());
    let publisher = Arc::new(Publisher::new(
        config.load_options(),
        input::Options::default(),
        "test".to_owned(),
        Arc::clone(&metrics),
        Clock::System,
    ));
    let keeper = Keeper {
        config,
        publisher: Arc::clone(&publisher),
        ready: ready.clone(),
        metrics: Arc::clone(&metrics),
        clock: Clock::System,
        id: "gate-1".to_owned(),
    };
    Gate {
        publisher,
        ready,
        metrics,
        started: tokio::spawn(keeper.start()),
        _folder: folder,
    }
}

impl Gate {
    /// Waits until the active policy is made of these bundles, each with its revision.
    async fn has(&self, want: &[(&str, &str)]) {
        let mut changes = self.publisher.statuses().watch();
        loop {
            let current = changes.current();
            let all = current.iter().map(|status| {
                let revision = status.active_revision.as_deref().unwrap_or("");
                (&*status.name, revision)
            });
            if all.eq(want.iter().copied()) {
                return;
            }
            changes.changed().await.unwrap();
        }
    }

    fn counts(&self, result: &str) -> bool {
        let line = format!("portcullis_discovered_configurations_total{{result=\"{result}\"}} 0\n");
        !self.metrics.encode().contains(&line)
    }
}

/// Waits for a report whose discovery is so.
async fn reported(server: &BundleServer, is: impl Fn(&Value) -> bool) -> Value {
    let mut count = 1;
    loop {
        let seen = server.requests("/status", count).await;
        let report: Value = serde_json::from_slice(&seen[count - 1].body).unwrap();
        if is(&report["discovery"]) {
            return report;
        }
        count += 1;
    }
}

fn discover(server: &BundleServer, etag: &str, configuration: &Value) {
    let data = json!({"gate": configuration}).to_string();
    let manifest = json!({"revision": etag}).to_string();
    let files = [
        ("data.json", data.as_bytes()),
        (".manifest", manifest.as_bytes()),
    ];
    server.set("/d", Version::new(etag, archive(&files)).held());
}

/// A bundle with a package of its own below `envoy`.
fn bundle(server: &BundleServer, path: &str, package: &str, revision: &str) {
    let policy = format!("package {package}\n\nallow := true\n");
    let root = package.replace('.', "/");
    let manifest = json!({"revision": revision, "roots": [root]}).to_string();
    let files = [
        ("policy.rego", policy.as_bytes()),
        (".manifest", manifest.as_bytes()),
    ];
    server.set(path, Version::new(revision, archive(&files)).held());
}

fn polled(resource: &str) -> Value {
    json!({"resource": resource, "polling": {"long_polling_timeout_seconds": 60}})
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_followed_and_nobody_is_ready_before_the_first_configuration() {
    let server = BundleServer::start().await;
    bundle(&server, "/own", "envoy.authz", "own-1");
    let own = "bundles: {own: {resource: own}}";
    let gate = gate(&server, own);
    server.requests("/d", 2).await;
    assert!(server.seen("/own").is_empty());
    let Readiness::Pending(pending) = gate.ready.current() else {
        panic!("ready without a configuration");
    };
    assert_eq!(pending, ["bundle:discovery", "discovery"]);
    let report = reported(&server, |discovery| discovery["http_code"] == 404).await;
    assert_eq!(report["plugins"]["discovery"]["state"], "NOT_READY");
    discover(
        &server,
        "1",
        &json!({"labels": {"tier": "edge", "zone": "b"}}),
    );
    let _kept = gate.started.await.unwrap();
    gate.publisher.activated().await;
    let report = reported(&server, |discovery| discovery["active_revision"] == "1").await;
    assert_eq!(report["labels"]["tier"], "edge");
    assert_eq!(report["labels"]["zone"], "a");
    assert!(!server.seen("/own").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_come_change_and_go_while_others_are_left_alone() {
    let server = BundleServer::start().await;
    bundle(&server, "/authz", "envoy.authz", "authz-1");
    bundle(&server, "/shop", "shop", "shop-1");
    bundle(&server, "/shop2", "shop", "shop-2");
    discover(
        &server,
        "1",
        &json!({"bundles": {"authz": polled("authz")}}),
    );
    let mut gate = gate(&server, "");
    let _kept = (&mut gate.started).await.unwrap();
    gate.has(&[("authz", "authz-1")]).await;
    let both = |shop: &str| json!({"bundles": {"authz": polled("authz"), "shop": polled(shop)}});
    discover(&server, "2", &both("shop"));
    gate.has(&[("authz", "authz-1"), ("shop", "shop-1")]).await;
    let asked = server.requests("/authz", 2).await.len();
    discover(&server, "3", &both("shop2"));
    gate.has(&[("authz", "authz-1"), ("shop", "shop-2")]).await;
    discover(
        &server,
        "4",
        &json!({"bundles": {"authz": polled("authz")}}),
    );
    gate.has(&[("authz", "authz-1")]).await;
    // The request that is held is the same one all the time.
    assert_eq!(server.seen("/authz").len(), asked);
    assert!(gate.ready.current().is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_used_leaves_the_last_good_one() {
    let server = BundleServer::start().await;
    bundle(&server, "/authz", "envoy.authz", "authz-1");
    let good = json!({"bundles": {"authz": polled("authz")}});
    discover(&server, "1", &good);
    let mut gate = gate(&server, "");
    let _kept = (&mut gate.started).await.unwrap();
    gate.has(&[("authz", "authz-1")]).await;
    for (etag, wrong, said) in [
        (
            "2",
            json!({"bundles": {"authz": {"trigger": "often"}}}),
            "bundles.authz.trigger",
        ),
        (
            "3",
            json!({"discovery": {"resource": "mine"}}),
            "cannot be changed by discovery",
        ),
        (
            "4",
            json!({"services": {"s": {"url": "https://mine"}}}),
            "cannot be changed by discovery",
        ),
        ("5", json!("text"), "no mapping"),
    ] {
        discover(&server, etag, &wrong);
        let report = reported(&server, |discovery| {
            discovery["message"]
                .as_str()
                .is_some_and(|text| text.contains(said))
        })
        .await;
        assert_eq!(report["discovery"]["active_revision"], "1", "{etag}");
        assert_eq!(report["discovery"]["code"], "bundle_error", "{etag}");
        gate.has(&[("authz", "authz-1")]).await;
    }
    assert!(gate.counts("failure"));
    server.set("/d", Version::new("6", b"no archive".to_vec()).held());
    reported(&server, |discovery| {
        discovery["message"]
            .as_str()
            .is_some_and(|text| text.contains("archive"))
    })
    .await;
    bundle(&server, "/authz", "envoy.authz", "authz-2");
    gate.has(&[("authz", "authz-2")]).await;
    discover(
        &server,
        "7",
        &json!({"bundles": {"other": polled("authz")}}),
    );
    gate.has(&[("other", "authz-2")]).await;
    reported(&server, |discovery| {
        discovery["active_revision"] == "7" && discovery["code"].is_null()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_decides_by_the_labels_which_bundles_there_are() {
    let server = BundleServer::start().await;
    bundle(&server, "/zone-a", "envoy.authz", "a-1");
    let policy = b"package gate\n\nbundles[\"authz\"] := {\"resource\": sprintf(\"zone-%s\", [input.labels.zone])}\n";
    let files = [("policy.rego", policy.as_slice())];
    server.set("/d", Version::new("1", archive(&files)).held());
    let mut gate = gate(&server, "");
    let _kept = (&mut gate.started).await.unwrap();
    gate.has(&[("authz", "a-1")]).await;
    assert!(gate.counts("success") && !gate.counts("failure"));
}

/// opa#7492.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_service_that_hangs_holds_up_no_activation() {
    let (server, reports) = (BundleServer::start().await, BundleServer::start().await);
    reports.set("/status", Answer::Stall);
    bundle(&server, "/authz", "envoy.authz", "authz-1");
    discover(
        &server,
        "1",
        &json!({"bundles": {"authz": polled("authz")}}),
    );
    let mut gate = reporting(&server, &reports, "");
    reports.requests("/status", 1).await;
    let _kept = (&mut gate.started).await.unwrap();
    gate.has(&[("authz", "authz-1")]).await;
    bundle(&server, "/authz", "envoy.authz", "authz-2");
    gate.has(&[("authz", "authz-2")]).await;
    assert!(gate.ready.current().is_ready());
    // All the while it has held the first report.
    assert_eq!(reports.seen("/status").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_starts_with_the_configuration_on_disk_while_the_source_is_away() {
    let server = BundleServer::start().await;
    bundle(&server, "/authz", "envoy.authz", "authz-1");
    discover(
        &server,
        "1",
        &json!({"bundles": {"authz": polled("authz")}}),
    );
    let folder = tempfile::tempdir().unwrap();
    let kept_at = format!("persistence_directory: {}", folder.path().display());
    let mut first = gate(&server, &kept_at);
    let kept = (&mut first.started).await.unwrap();
    first.has(&[("authz", "authz-1")]).await;
    // Written after it became active, before the source is asked again.
    server.requests("/d", 2).await;
    drop(kept);
    server.set("/d", Answer::status(503));
    let mut second = gate(&server, &kept_at);
    let _kept = (&mut second.started).await.unwrap();
    second.has(&[("authz", "authz-1")]).await;
    reported(&server, |discovery| {
        discovery["http_code"] == 503 && discovery["active_revision"] == "1"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_used_does_not_replace_the_last_good_one_on_disk() {
    let server = BundleServer::start().await;
    bundle(&server, "/authz", "envoy.authz", "authz-1");
    let good = json!({"bundles": {"authz": polled("authz")}});
    discover(&server, "1", &good);
    let folder = tempfile::tempdir().unwrap();
    let kept_at = format!("persistence_directory: {}", folder.path().display());
    let file = folder.path().join("bundles/discovery/bundle.tar.gz");
    let mut first = gate(&server, &kept_at);
    let kept = (&mut first.started).await.unwrap();
    first.has(&[("authz", "authz-1")]).await;
    let asked = server.requests("/d", 2).await.len();
    let written = fs::read(&file).unwrap();
    let wrong = json!({"bundles": {"authz": {"trigger": "often"}}});
    discover(&server, "2", &wrong);
    reported(&server, |discovery| discovery["code"] == "bundle_error").await;
    // It would be written before the source is asked again.
    server.requests("/d", asked + 1).await;
    assert_eq!(fs::read(&file).unwrap(), written);
    drop(kept);
    server.set("/d", Answer::status(503));
    let mut second = gate(&server, &kept_at);
    let kept = (&mut second.started).await.unwrap();
    second.has(&[("authz", "authz-1")]).await;
    // The next good one is kept again.
    let asked = server.seen("/d").len();
    discover(&server, "3", &good);
    reported(&server, |discovery| discovery["active_revision"] == "3").await;
    server.requests("/d", asked + 2).await;
    assert_ne!(fs::read(&file).unwrap(), written);
    drop(kept);
}
