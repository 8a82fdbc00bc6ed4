//! Revisions that never go back: not after a restart, and not while bundles wait for each other.

use std::{fs, path::Path};

use portcullis::{
    policy::bundle::RevisionOrder,
    sources::bundles::{Source, status::Stage},
};
use tempfile::TempDir;

use crate::{
    gate::{Gate, PATH, at, bundle, soon, version},
    server::{Answer, BundleServer, Version},
};

/// The bundle `authz`, kept in `folder`, in the order of numbers.
fn ordered(server: &BundleServer, folder: &Path) -> Source {
    let mut source = at(server, "authz");
    source.monotonic = Some(RevisionOrder::Number);
    source.persist = Some(folder.to_owned());
    source
}

/// Leaves this archive where an earlier process would.
fn leave(folder: &Path, archive: &[u8]) {
    let folder = folder.join("bundles/authz");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("bundle.tar.gz"), archive).unwrap();
}

fn left(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("bundles/authz/bundle.tar.gz")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_one_follows_neither_what_waits_nor_what_is_on_disk() {
    // Nothing can be active: another bundle is missing.
    for newer_from_disk in [true, false] {
        let folder = TempDir::new().unwrap();
        let server = BundleServer::start().await;
        if newer_from_disk {
            leave(folder.path(), &version(10));
        } else {
            server.set(PATH, Version::new("10", version(10)));
        }
        let gate = Gate::start(vec![ordered(&server, folder.path()), at(&server, "other")]).await;
        if !newer_from_disk {
            gate.status_when("authz", |status| status.form.is_some())
                .await;
        }
        server.set(PATH, Version::new("9", version(9)));
        let failure = gate.fails("authz", Stage::Order).await.failure.unwrap();
        assert_eq!(
            &*failure.message,
            "revision `9` is older than `10`, which was there before"
        );
        let other = bundle("1", "other", "package other");
        server.set("/bundles/other", Version::new("1", other));
        gate.decides(10).await;
        server.set(PATH, Version::new("11", version(11)));
        gate.decides(11).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_one_never_replaces_the_newer_one_on_disk() {
    // The newer one is in order, but of no use: its policy does not compile.
    let broken = bundle("10", "envoy", "package envoy.authz\nallow if f(1)");
    let folder = TempDir::new().unwrap();
    leave(folder.path(), &broken);
    let server = BundleServer::start().await;
    server.set(PATH, Version::new("9", version(9)));
    let gate = Gate::start(vec![ordered(&server, folder.path())]).await;
    gate.fails("authz", Stage::Order).await;
    let seen = server.seen(PATH).len();
    soon(server.requests(PATH, seen + 2)).await;
    assert_eq!(gate.version(), None);
    assert_eq!(left(folder.path()), broken);
    server.set(PATH, Version::new("11", version(11)));
    gate.decides(11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_remembers_the_order_while_the_source_is_away() {
    let folder = TempDir::new().unwrap();
    leave(folder.path(), &version(10));
    let server = BundleServer::start().await;
    server.set(PATH, Answer::status(500));
    let gate = Gate::start(vec![ordered(&server, folder.path())]).await;
    gate.decides(10).await;
    server.set(PATH, Version::new("9", version(9)));
    gate.fails("authz", Stage::Order).await;
    assert_eq!(gate.version(), Some(10));
    assert_eq!(left(folder.path()), version(10));
}
