//! Deltas: changes to the bundle that is active, and nothing else.

use portcullis::sources::bundles::status::{Form, Stage, Status};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    gate::{Gate, PATH, at, soon},
    server::{Answer, BundleServer, Seen, Version, archive},
};

/// A bundle whose decision is a number in its data.
fn snapshot(number: u32) -> Vec<u8> {
    let manifest = format!(r#"{{"revision": "{number}", "roots": ["envoy", "release"]}}"#);
    let data = format!(r#"{{"number": {number}}}"#);
    let module = b"package envoy.authz\nallow := data.release.number";
    archive(&[
        (".manifest", manifest.as_bytes()),
        ("policy.rego", module),
        ("release/data.json", data.as_bytes()),
    ])
}

/// The change of that number, at `path`.
fn delta(number: u32, path: &str) -> Vec<u8> {
    let manifest = format!(r#"{{"revision": "{number}", "roots": ["envoy", "release"]}}"#);
    let patch = json!({"data": [{"op": "replace", "path": path, "value": number}]});
    archive(&[
        (".manifest", manifest.as_bytes()),
        ("patch.json", patch.to_string().as_bytes()),
    ])
}

async fn deciding_by_a_snapshot() -> (BundleServer, Gate) {
    let server = BundleServer::start().await;
    server.set(PATH, Version::new("1", snapshot(1)));
    let gate = Gate::start(vec![at(&server, "authz")]).await;
    gate.decides(1).await;
    (server, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas_follow_each_other_and_a_snapshot_follows_them() {
    let (server, gate) = deciding_by_a_snapshot().await;
    for number in 2..5 {
        let change = delta(number, "/release/number");
        let version = Version::new(&number.to_string(), snapshot(99));
        server.set(PATH, version.delta(&(number - 1).to_string(), change));
        gate.decides(number).await;
        let is_told = |status: &Status| {
            status.form == Some(Form::Delta)
                && status.active_revision.as_deref() == Some(&*number.to_string())
        };
        gate.status_when("authz", is_told).await;
    }
    server.set(PATH, Version::new("5", snapshot(5)));
    gate.decides(5).await;
    gate.status_when("authz", |status| status.form == Some(Form::Snapshot))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_that_does_not_fit_is_refused_and_a_snapshot_asked_for() {
    let (server, gate) = deciding_by_a_snapshot().await;
    let change = delta(2, "/release/nothing/there");
    server.set(PATH, Version::new("2", snapshot(3)).delta("1", change));
    // The refusal lasts until the snapshot is there, which comes with the next answer.
    gate.decides(3).await;
    let refused = "portcullis_bundle_failures_total{bundle=\"authz\",stage=\"patch\"}";
    assert_eq!(gate.metric(refused), Some(1.0));
    let whole = |seen: &&Seen| seen.header("if-none-match").is_none();
    let seen = server.seen(PATH);
    let whole: Vec<&Seen> = seen.iter().filter(whole).collect();
    assert_eq!(whole.len(), 2, "at the start, and after the refusal");
    assert_eq!(whole[1].header("prefer"), Some("modes=snapshot"));
    gate.status_when("authz", |status| status.failure.is_none())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_without_the_bundle_that_it_changes_is_refused() {
    let server = BundleServer::start().await;
    server.set(PATH, Answer::ok(delta(2, "/release/number")));
    let gate = Gate::start(vec![at(&server, "authz")]).await;
    let failure = gate.fails("authz", Stage::Patch).await.failure.unwrap();
    let text = "a delta came, and the bundle that it changes is not active";
    assert_eq!(&*failure.message, text);
    assert_eq!(gate.version(), None);
    server.set(PATH, Version::new("1", snapshot(1)));
    gate.decides(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_on_disk_is_the_last_snapshot() {
    let folder = TempDir::new().unwrap();
    let server = BundleServer::start().await;
    let mut source = at(&server, "authz");
    source.persist = Some(folder.path().to_owned());
    server.set(PATH, Version::new("1", snapshot(1)));
    let gate = Gate::start(vec![source.clone()]).await;
    gate.decides(1).await;
    let file = folder.path().join("bundles/authz/bundle.tar.gz");
    soon(async {
        while std::fs::read(&file).ok() != Some(snapshot(1)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let change = delta(2, "/release/number");
    server.set(PATH, Version::new("2", snapshot(2)).delta("1", change));
    gate.decides(2).await;
    let seen = server.seen(PATH).len();
    soon(server.requests(PATH, seen + 2)).await;
    drop(gate);
    server.set(PATH, Answer::status(500));
    let gate = Gate::start(vec![source]).await;
    gate.decides(1).await;
    // A delta to what is not active any more cannot be asked for: there is no tag to name it.
    server.set(
        PATH,
        Version::new("2", snapshot(2)).delta("1", b"never".to_vec()),
    );
    gate.decides(2).await;
}
