//! Whatever a source serves: the last good policy decides on, the status says what is wrong, and the
//! next good bundle is taken.

use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use portcullis::sources::bundles::status::Stage;

use crate::{
    gate::{Gate, PATH, at, bundle, soon, version},
    server::{Answer, BundleServer, Version, archive},
};

/// An archive with a name that leads out of it, as no honest writer makes it.
fn way_out() -> Vec<u8> {
    let name = b"../../etc/policy.rego";
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_size(0);
    header.set_cksum();
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    tar.append(&header, std::io::empty()).unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

/// What a source may do, where that ends, and what the status says of it.
#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(&'static str, Answer, Stage, &'static str)> {
    let next = version(2);
    let half = next[..next.len() / 2].to_vec();
    let mut damaged = next.clone();
    let last = damaged.len() - 6;
    damaged[last] ^= 0xff;
    let v = |archive| Answer::from(Version::new("bad", archive));
    let module = |text| v(bundle("2", "envoy", text));
    let entry = |name, text: &'static str| v(archive(&[(name, text.as_bytes())]));
    let long = Duration::from_mins(1);
    vec![
        ("404", Answer::status(404), Stage::Download, "answered 404"),
        ("500", Answer::status(500), Stage::Download, "answered 500"),
        (
            "no answer",
            Answer::HangUp,
            Stage::Download,
            "no whole answer",
        ),
        (
            "half of it",
            Answer::Truncated(half.clone()),
            Stage::Download,
            "no whole answer",
        ),
        (
            "a slow drip",
            Answer::Drip(next, long),
            Stage::Download,
            "no whole answer",
        ),
        (
            "a stall",
            Answer::StallAfter(half.clone()),
            Stage::Download,
            "no whole answer",
        ),
        ("half an archive", v(half), Stage::Read, "authz"),
        ("a damaged archive", v(damaged), Stage::Read, "authz"),
        ("a web page", Answer::ok("<html>"), Stage::Read, "authz"),
        ("a way out", v(way_out()), Stage::Read, "authz"),
        (
            "a manifest that is none",
            entry(".manifest", "{"),
            Stage::Read,
            ".manifest",
        ),
        (
            "a syntax error",
            module("package envoy.authz\nallow := {{"),
            Stage::Compile,
            "policy.rego:2",
        ),
        (
            "an unknown function",
            module("package envoy.authz\nallow if f(1)"),
            Stage::Compile,
            "`f`",
        ),
        (
            "no entrypoint",
            module("package envoy.other\nallow := 2"),
            Stage::Compile,
            "data.envoy.authz.allow",
        ),
        (
            "a package outside its roots",
            module("package elsewhere\nallow := 2"),
            Stage::Compile,
            "elsewhere",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_source_serves_the_last_good_policy_stays_and_the_status_says_why() {
    for (name, answer, stage, message) in cases() {
        let server = BundleServer::start().await;
        let gate = Gate::with_version_1(&server, at(&server, "authz")).await;
        server.set(PATH, answer);
        let status = gate.fails("authz", stage).await;
        assert_eq!(gate.version(), Some(1), "{name}");
        assert!(gate.ready.current().is_ready(), "{name}");
        let failure = status.failure.unwrap();
        assert!(
            failure.message.contains(message),
            "{name}: {}",
            failure.message
        );
        assert_eq!(status.active_revision.as_deref(), Some("1"), "{name}");
        let series = format!(
            "portcullis_bundle_failures_total{{bundle=\"authz\",stage=\"{}\"}}",
            stage.as_str()
        );
        gate.reaches(&series, 1.0).await;

        server.set(PATH, Version::new("2", version(2)));
        gate.decides(2).await;
        gate.status_when("authz", |status| status.failure.is_none())
            .await;
        assert_eq!(
            gate.status("authz").active_revision.as_deref(),
            Some("2"),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_too_large_is_named() {
    let server = BundleServer::start().await;
    let mut source = at(&server, "authz");
    source.limits.archive_bytes = 1000;
    let gate = Gate::with_version_1(&server, source).await;
    server.set(PATH, Answer::Flood { announced: false });
    let failure = gate.fails("authz", Stage::Download).await.failure.unwrap();
    assert!(
        failure.message.contains("longer than 1000 bytes"),
        "{}",
        failure.message
    );
    assert_eq!(gate.version(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_status_is_part_of_the_report() {
    let server = BundleServer::start().await;
    let gate = Gate::with_version_1(&server, at(&server, "authz")).await;
    server.set(PATH, Answer::status(503));
    gate.fails("authz", Stage::Download).await;
    let report = gate.publisher.statuses().report();
    assert_eq!(report["authz"]["code"], "bundle_error");
    assert_eq!(report["authz"]["http_code"], 503);
    assert_eq!(report["authz"]["active_revision"], "1");
    let opa =
        "bundle_failed_load_counter{name=\"authz\",code=\"bundle_error\",message=\"download 503\"}";
    gate.reaches(opa, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_everything_is_asked_for() {
    let server = BundleServer::start().await;
    let gate = Gate::with_version_1(&server, at(&server, "authz")).await;
    server.set(PATH, Answer::status(500));
    gate.fails("authz", Stage::Download).await;
    let before = server.seen(PATH).len();
    let seen = soon(server.requests(PATH, before + 3)).await;
    assert_eq!(seen[before + 2].header("if-none-match"), None);
    assert_eq!(
        seen[before + 2].header("prefer"),
        Some("modes=snapshot,delta")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_away_and_comes_back_is_followed_on() {
    let server = BundleServer::start().await;
    let gate = Gate::with_version_1(&server, at(&server, "authz")).await;
    server.go_away().await;
    gate.fails("authz", Stage::Download).await;
    assert_eq!(gate.version(), Some(1));
    server.set(PATH, Version::new("2", version(2)));
    server.come_back().await;
    gate.decides(2).await;
    gate.status_when("authz", |status| status.failure.is_none())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_away_at_the_start_is_waited_for() {
    let server = BundleServer::start().await;
    server.go_away().await;
    let gate = Gate::start(vec![at(&server, "authz")]).await;
    gate.fails("authz", Stage::Download).await;
    assert_eq!(gate.version(), None);
    assert!(!gate.ready.current().is_ready());
    server.set(PATH, Version::new("1", version(1)));
    server.come_back().await;
    gate.decides(1).await;
    gate.readiness(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_whose_tests_fail_does_not_become_active_if_they_are_asked() {
    let failing = "package envoy.authz\nallow := 2\ntest_two if allow == 3";
    for run_tests in [true, false] {
        let server = BundleServer::start().await;
        let mut source = at(&server, "authz");
        source.run_tests = run_tests;
        let gate = Gate::with_version_1(&server, source).await;
        server.set(PATH, Version::new("2", bundle("2", "envoy", failing)));
        if !run_tests {
            gate.decides(2).await;
            continue;
        }
        let failure = gate.fails("authz", Stage::Tests).await.failure.unwrap();
        assert!(
            failure.message.contains("test_two: failed"),
            "{}",
            failure.message
        );
        assert_eq!(failure.errors[0].position, Some((3, 1)));
        assert_eq!(gate.version(), Some(1));
        server.set(PATH, Version::new("3", version(3)));
        gate.decides(3).await;
        gate.status_when("authz", |status| status.timings.tests.is_some())
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_revision_is_refused_if_revisions_have_an_order() {
    use portcullis::policy::bundle::RevisionOrder;
    for order in [Some(RevisionOrder::Number), None] {
        let server = BundleServer::start().await;
        server.set(PATH, Version::new("10", version(10)));
        let mut source = at(&server, "authz");
        source.monotonic = order;
        let gate = Gate::start(vec![source]).await;
        gate.decides(10).await;
        server.set(PATH, Version::new("9", version(9)));
        if order.is_none() {
            gate.decides(9).await;
            continue;
        }
        let failure = gate.fails("authz", Stage::Order).await.failure.unwrap();
        assert_eq!(
            &*failure.message,
            "revision `9` is older than `10`, which was there before"
        );
        assert_eq!(gate.version(), Some(10));
        server.set(PATH, Version::new("11", version(11)));
        gate.decides(11).await;
        server.set(
            PATH,
            Version::new(
                "x",
                bundle("new", "envoy", "package envoy.authz\nallow := 12"),
            ),
        );
        gate.fails("authz", Stage::Order).await;
        assert_eq!(gate.version(), Some(11));
    }
}
