//! Deltas: changes to the bundle that is active, and nothing else.

use portcullis::sources::bundles::status::{Form, Stage, Status};
use serde_json::json;
use tempfile::TempDir;

use portcullis::policy::bundle::RevisionOrder;

use crate::{
    gate::{Gate, PATH, at, soon, version},
    server::{Answer, BundleServer, Seen, Version, archive},
    signatures::{Publisher, packed},
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

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_delta_is_neither_asked_for_nor_taken() {
    let ours = Publisher::new();
    let files = vec![
        (
            ".manifest".to_owned(),
            br#"{"revision": "2", "roots": ["envoy", "release"]}"#.to_vec(),
        ),
        (
            "patch.json".to_owned(),
            br#"{"data": [{"op": "upsert", "path": "/release/number", "value": 2}]}"#.to_vec(),
        ),
    ];
    let delta = packed(&files, &ours.signature(&files, "ours"));
    let server = BundleServer::start().await;
    let mut source = at(&server, "authz");
    ours.is_believed_by(&mut source);
    server.set(PATH, Version::new("1", ours.signed(1)));
    let gate = Gate::start(vec![source]).await;
    gate.decides(1).await;
    server.set(PATH, Answer::ok(delta));
    let failure = gate.fails("authz", Stage::Patch).await.failure.unwrap();
    assert!(
        failure.message.contains("cannot prove what it follows"),
        "{}",
        failure.message
    );
    let seen = server.seen(PATH).len();
    let seen = soon(server.requests(PATH, seen + 2)).await;
    for request in &seen {
        assert_eq!(request.header("prefer"), Some("modes=snapshot"));
    }
    assert_eq!(gate.status("authz").active_revision.as_deref(), Some("1"));
    server.set(PATH, Version::new("3", ours.signed(3)));
    gate.decides(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_that_was_not_asked_for_is_refused() {
    let (server, gate) = deciding_by_a_snapshot().await;
    let refused = Answer::ok(delta(2, "/release/nothing/there"));
    server.set(PATH, refused);
    gate.fails("authz", Stage::Patch).await;
    // After that only whole bundles are asked for.
    server.set(PATH, Answer::ok(delta(3, "/release/number")));
    let unasked = |status: &Status| {
        let failure = status.failure.as_ref();
        failure.is_some_and(|failure| failure.message.contains("a whole bundle was asked for"))
    };
    gate.status_when("authz", unasked).await;
    assert_eq!(gate.version(), Some(1));
    server.set(PATH, Version::new("4", snapshot(4)));
    gate.decides(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_order_a_delta_must_be_newer() {
    for (revision, taken) in [(1, false), (2, true)] {
        let server = BundleServer::start().await;
        let mut source = at(&server, "authz");
        source.monotonic = Some(RevisionOrder::Number);
        server.set(PATH, Version::new("1", version(1)));
        let gate = Gate::start(vec![source]).await;
        gate.decides(1).await;
        let manifest = format!(r#"{{"revision": "{revision}", "roots": ["envoy", "release"]}}"#);
        let patch = br#"{"data": [{"op": "upsert", "path": "/release/more", "value": 7}]}"#;
        let delta = archive(&[(".manifest", manifest.as_bytes()), ("patch.json", patch)]);
        server.set(PATH, Version::new("x", version(9)).delta("1", delta));
        if taken {
            let is_taken = |status: &Status| status.form == Some(Form::Delta);
            gate.status_when("authz", is_taken).await;
            assert_eq!(gate.status("authz").active_revision.as_deref(), Some("2"));
        } else {
            // Refused, and then the whole bundle is asked for.
            gate.decides(9).await;
            let refused = "portcullis_bundle_failures_total{bundle=\"authz\",stage=\"order\"}";
            assert_eq!(gate.metric(refused), Some(1.0));
        }
    }
}
