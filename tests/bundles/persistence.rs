//! The last good bundle on disk: a restart while its source is away.

use std::{fs, path::PathBuf};

use portcullis::sources::bundles::{
    Source,
    status::{Stage, Status},
};
use tempfile::TempDir;

use crate::{
    gate::{Gate, PATH, at, bundle, soon, version},
    server::{Answer, BundleServer, Version},
};

/// How a bundle on disk is complained about.
const NAMED: &str = "bundles/authz/bundle.tar.gz` cannot be used";

/// A folder with the bundle of a process that is no more, and the server it came from.
struct Left {
    folder: TempDir,
    server: BundleServer,
}

impl Left {
    async fn by_a_process() -> Self {
        let left = Self {
            folder: TempDir::new().unwrap(),
            server: BundleServer::start().await,
        };
        let gate = Gate::with_version_1(&left.server, left.source()).await;
        left.is_on_disk(&version(1)).await;
        drop(gate);
        left
    }

    fn source(&self) -> Source {
        let mut source = at(&self.server, "authz");
        source.persist = Some(self.folder.path().to_owned());
        source
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("bundles/authz/bundle.tar.gz")
    }

    /// Waits until this archive is the one on disk.
    async fn is_on_disk(&self, archive: &[u8]) {
        soon(async {
            while fs::read(self.file()).ok().as_deref() != Some(archive) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// A gate that has what is on disk alone.
    async fn restart(&self) -> Gate {
        self.server.set(PATH, Answer::status(500));
        Gate::start(vec![self.source()]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_decides_while_the_source_is_away() {
    let left = Left::by_a_process().await;
    let gate = left.restart().await;
    gate.decides(1).await;
    gate.readiness(true).await;
    let status = gate.fails("authz", Stage::Download).await;
    assert!(status.from_disk && status.active);
    assert_eq!(status.active_revision.as_deref(), Some("1"));
    left.server.set(PATH, Version::new("2", version(2)));
    gate.decides(2).await;
    left.is_on_disk(&version(2)).await;
    let fresh = gate.status_when("authz", |status| !status.from_disk).await;
    assert!(fresh.active);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bundle_on_disk_there_is_no_policy() {
    let left = Left::by_a_process().await;
    fs::remove_file(left.file()).unwrap();
    let gate = left.restart().await;
    gate.fails("authz", Stage::Download).await;
    assert_eq!(gate.version(), None);
    assert!(!gate.ready.current().is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_not_good_is_not_left_on_disk() {
    let left = Left::by_a_process().await;
    let gate = left.restart().await;
    gate.decides(1).await;
    let broken = bundle("2", "envoy", "package envoy.authz\nallow if f(1)");
    left.server.set(PATH, Version::new("2", broken));
    gate.fails("authz", Stage::Compile).await;
    let seen = left.server.seen(PATH).len();
    soon(left.server.requests(PATH, seen + 2)).await;
    assert_eq!(fs::read(left.file()).unwrap(), version(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_bundle_on_disk_is_named_and_replaced() {
    let broken: [(&str, Vec<u8>); 4] = [
        ("nothing", Vec::new()),
        ("garbage", b"garbage".to_vec()),
        ("half of it", version(1)[..100].to_vec()),
        (
            "no policy",
            bundle("1", "envoy", "package envoy.authz\nallow if f(1)"),
        ),
    ];
    for (name, bytes) in broken {
        let left = Left::by_a_process().await;
        fs::write(left.file(), bytes).unwrap();
        left.server.hold();
        let gate = Gate::start(vec![left.source()]).await;
        let named = |status: &Status| {
            let failure = status.failure.as_ref();
            failure.is_some_and(|failure| failure.message.contains(NAMED))
        };
        gate.status_when("authz", named).await;
        assert_eq!(gate.version(), None, "{name}");
        left.server.release();
        gate.decides(1).await;
        left.is_on_disk(&version(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_written_is_told_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("bundles"), "a file").unwrap();
    let server = BundleServer::start().await;
    let mut source = at(&server, "authz");
    source.persist = Some(folder.path().to_owned());
    let gate = Gate::with_version_1(&server, source).await;
    soon(async {
        let failures = "portcullis_bundle_persistence_failures_total{bundle=\"authz\"}";
        while gate.metric(failures).is_none_or(|failures| failures < 1.0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(gate.version(), Some(1));
    assert!(gate.ready.current().is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_leads_nowhere_else() {
    let folder = TempDir::new().unwrap();
    let server = BundleServer::start().await;
    let name = "../up and/away";
    let mut source = at(&server, "authz");
    source.name = name.into();
    source.persist = Some(folder.path().join("in"));
    server.set(PATH, Version::new("1", version(1)));
    let gate = Gate::start(vec![source]).await;
    gate.decides(1).await;
    let file = folder
        .path()
        .join("in/bundles/%2E%2E%2Fup%20and%2Faway/bundle.tar.gz");
    soon(async {
        while !file.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
