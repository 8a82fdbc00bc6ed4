//! Several bundles: all of them or nothing, and another set of them while the server runs.

use portcullis::{ready::Readiness, sources::bundles::status::Stage};

use crate::{
    gate::{Gate, at, bundle},
    server::{BundleServer, Version},
};

const AUTHZ: &str = "/bundles/authz";
const LIB: &str = "/bundles/lib";

fn authz(number: u32, function: &str) -> Version {
    let module = format!(
        "package envoy.authz\nimport data.lib\nallow := {number} if lib.{function}({number})"
    );
    Version::new(
        &format!("{number}{function}"),
        bundle(&number.to_string(), "envoy", &module),
    )
}

fn lib(revision: &str, function: &str) -> Version {
    let module = format!("package lib\n{function}(x) if x > 0");
    Version::new(revision, bundle(revision, "lib", &module))
}

async fn both() -> (BundleServer, Gate) {
    let server = BundleServer::start().await;
    server.set(AUTHZ, authz(1, "good"));
    server.set(LIB, lib("l1", "good"));
    let gate = Gate::start(vec![at(&server, "authz"), at(&server, "lib")]).await;
    gate.decides(1).await;
    (server, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_decides_before_every_bundle_is_there() {
    let server = BundleServer::start().await;
    server.set(LIB, lib("l1", "good"));
    let gate = Gate::start(vec![at(&server, "authz"), at(&server, "lib")]).await;
    gate.fails("authz", Stage::Download).await;
    gate.status_when("lib", |status| status.last_successful_download.is_some())
        .await;
    assert_eq!(gate.version(), None);
    let pending = ["bundle:authz", "bundle:lib"].map(str::to_owned);
    assert_eq!(gate.ready.current(), Readiness::Pending(pending.to_vec()));
    server.set(AUTHZ, authz(1, "good"));
    gate.decides(1).await;
    gate.readiness(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_only_fit_together_replace_two_others_in_one_step() {
    for first in ["authz", "lib"] {
        let (server, gate) = both().await;
        let steps = [
            ("authz", AUTHZ, authz(2, "better")),
            ("lib", LIB, lib("l2", "better")),
        ];
        let (one, two): (Vec<_>, Vec<_>) = steps.into_iter().partition(|(name, ..)| *name == first);
        let (name, path, version) = one.into_iter().next().unwrap();
        server.set(path, version);
        gate.fails(name, Stage::Compile).await;
        assert_eq!(gate.version(), Some(1), "the old set decides in between");
        let (_, path, version) = two.into_iter().next().unwrap();
        server.set(path, version);
        gate.decides(2).await;
        for (name, revision) in [("authz", "2"), ("lib", "l2")] {
            let status = gate
                .status_when(name, |status| {
                    status.failure.is_none() && status.active_revision.as_deref() == Some(revision)
                })
                .await;
            assert!(status.active);
        }
        // Both are asked for by their tags again: nothing more to do.
        let seen = server.seen(path).len();
        server.requests(path, seen + 3).await;
        assert!(
            server
                .seen(path)
                .last()
                .unwrap()
                .header("if-none-match")
                .is_some()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_whose_roots_overlap_do_not_become_active_together() {
    let (server, gate) = both().await;
    let grabby = bundle("l2", "envoy/authz", "package envoy.authz.lib\nx := 1");
    server.set(LIB, Version::new("l2", grabby));
    let failure = gate.fails("lib", Stage::Compile).await.failure.unwrap();
    assert!(failure.message.contains("overlaps"), "{}", failure.message);
    assert_eq!(gate.version(), Some(1));
    assert_eq!(gate.status("authz").failure, None);
    server.set(LIB, lib("l3", "good"));
    gate.status_when("lib", |status| {
        status.active_revision.as_deref() == Some("l3")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_comes_on_top_holds_up_neither_the_others_nor_readiness() {
    let (server, mut gate) = both().await;
    let other = "/bundles/other";
    let names = ["authz", "lib", "other"].map(|name| at(&server, name));
    gate.followers.follow(names.to_vec()).await;
    gate.fails("other", Stage::Download).await;
    assert_eq!(gate.version(), Some(1));
    assert!(gate.ready.current().is_ready());
    server.set(AUTHZ, authz(2, "good"));
    gate.decides(2).await;
    assert!(gate.ready.current().is_ready() && !gate.publisher.is_complete());
    server.set(
        other,
        Version::new("o1", bundle("o1", "other", "package other\nx := 1")),
    );
    gate.status_when("other", |status| status.active).await;
    gate.readiness(true).await;

    // One that is forgotten leaves policy, status, metrics and readiness.
    server.set(
        other,
        Version::new("o2", bundle("o2", "other", "package other\nx := {{")),
    );
    gate.followers
        .follow(["authz", "lib"].map(|name| at(&server, name)).to_vec())
        .await;
    assert_eq!(gate.publisher.statuses().of("other"), None);
    assert!(
        gate.series("portcullis_bundle_info{bundle=\"other\"")
            .is_empty()
    );
    let packages = gate.publisher.status()["packages"].to_string();
    assert!(!packages.contains("other"), "{packages}");
    assert!(gate.ready.current().is_ready());
    assert_eq!(gate.version(), Some(2));
}
