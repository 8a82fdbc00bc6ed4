//! Status reports, as a real service gets them.
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

use std::{sync::Arc, time::Duration};

use bundles::{Answer, BundleServer, Seen};
use portcullis::{
    ready::Ready,
    services::{Credentials, Service, Tls, Token},
    sources::bundles::status::Statuses,
    status::{About, Options, labels, start},
    telemetry::Metrics,
};
use serde_json::Value;

fn about() -> About {
    let about = About {
        labels: labels(&[("zone".to_owned(), "a".to_owned())].into(), "gate-1"),
        bundles: Statuses::new(),
        discovery: Statuses::new(),
        ready: Ready::new(),
        plugin: "envoy_ext_authz_grpc",
    };
    about
        .bundles
        .add(&"authz".into(), "https://bundles.example");
    about
}

fn options(server: &BundleServer, partition: &str) -> Options {
    Options {
        service: Some(Arc::new(Service {
            name: "reports".into(),
            url: format!("{}/v1", server.origin()).parse().unwrap(),
            oci: false,
            response_header_timeout: Duration::from_secs(30),
            headers: [("x-tenant".to_owned(), "shop".to_owned().into())].into(),
            tls: Tls::default(),
            credentials: Credentials::Bearer {
                token: Token::Given("t0ken".to_owned().into()),
                scheme: "Bearer".to_owned(),
            },
        })),
        partition: partition.to_owned(),
        console: false,
        prometheus: false,
    }
}

fn revision(about: &About, revision: &str) {
    about.bundles.change("authz", |status| {
        status.active_revision = Some(revision.into());
    });
}

fn report(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

fn count(metrics: &Metrics, result: &str) -> u64 {
    let start = format!("portcullis_status_reports_total{{result=\"{result}\"}} ");
    let text = metrics.encode();
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_state_at_the_start_and_every_change_are_posted() {
    let server = BundleServer::start().await;
    server.set("/v1/status/edge/1", Answer::status(200));
    let (about, metrics) = (about(), Arc::new(Metrics::new(None)));
    let _tasks = start(&options(&server, "edge/1"), &about, &metrics);
    let first = server.requests("/v1/status/edge/1", 1).await;
    assert_eq!(first[0].method, "POST");
    assert_eq!(first[0].header("content-type"), Some("application/json"));
    assert_eq!(first[0].header("authorization"), Some("Bearer t0ken"));
    assert_eq!(first[0].header("x-tenant"), Some("shop"));
    let document = report(&first[0]);
    assert_eq!(document["labels"]["id"], "gate-1");
    assert_eq!(document["bundles"]["authz"]["active_revision"], Value::Null);
    assert_eq!(document["plugins"]["bundle"]["state"], "NOT_READY");
    revision(&about, "r1");
    let second = server.requests("/v1/status/edge/1", 2).await;
    assert_eq!(
        report(&second[1])["bundles"]["authz"]["active_revision"],
        "r1"
    );
    let _pending = about.ready.register("keys");
    let third = server.requests("/v1/status/edge/1", 3).await;
    let plugins = &report(&third[2])["plugins"];
    assert_eq!(plugins["envoy_ext_authz_grpc"]["state"], "NOT_READY");
    assert_eq!(count(&metrics, "failure"), 0);
}

#[tokio::test]
async fn a_service_that_hangs_holds_nobody_up_and_gets_the_newest_when_it_is_back() {
    let server = BundleServer::start().await;
    server.set("/v1/status", Answer::status(200));
    server.hold();
    let (about, metrics) = (about(), Arc::new(Metrics::new(None)));
    let _tasks = start(&options(&server, ""), &about, &metrics);
    server.requests("/v1/status", 1).await;
    // Nothing of this waits for the service, which holds the first report.
    for at in 1..=1000 {
        revision(&about, &format!("r{at}"));
    }
    assert_eq!(server.seen("/v1/status").len(), 1);
    server.release();
    let seen = server.requests("/v1/status", 2).await;
    assert_eq!(
        report(&seen[1])["bundles"]["authz"]["active_revision"],
        "r1000"
    );
}

#[tokio::test]
async fn a_report_that_is_refused_is_counted_and_sent_again_as_things_stand_then() {
    let server = BundleServer::start().await;
    server.set("/v1/status", Answer::status(500));
    let (about, metrics) = (about(), Arc::new(Metrics::new(None)));
    let _tasks = start(&options(&server, ""), &about, &metrics);
    server.requests("/v1/status", 2).await;
    assert_ne!(count(&metrics, "failure"), 0);
    assert_eq!(count(&metrics, "success"), 0);
    server.set("/v1/status", Answer::status(204));
    revision(&about, "r1");
    let mut wanted = 3;
    loop {
        let seen = server.requests("/v1/status", wanted).await;
        if report(&seen[wanted - 1])["bundles"]["authz"]["active_revision"] == "r1" {
            break;
        }
        wanted += 1;
    }
}

#[tokio::test]
async fn nothing_is_reported_once_the_reporter_is_dropped() {
    let server = BundleServer::start().await;
    server.set("/v1/status", Answer::status(200));
    let (about, metrics) = (about(), Arc::new(Metrics::new(None)));
    let tasks = start(&options(&server, ""), &about, &metrics);
    server.requests("/v1/status", 1).await;
    for task in tasks {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    revision(&about, "r1");
    assert!(
        start(
            &Options {
                service: None,
                ..options(&server, "")
            },
            &about,
            &metrics
        )
        .is_empty()
    );
    assert_eq!(server.seen("/v1/status").len(), 1);
}
