//! The admin port of the server as it is composed.

use serde_json::Value;

use crate::{
    failures::code,
    requests,
    server::{Server, check},
};

const ALLOW_FOO: &str = r#"package envoy.authz

default allow := false

allow if input.source.spiffe.namespace == "foo"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_composed_server_is_live_ready_and_healthy() {
    let server = Server::start(ALLOW_FOO, &[]).await;
    for (path, body) in [
        ("/livez", "ok\n"),
        ("/readyz", "{\"ready\":true}"),
        ("/health", "{}"),
        ("/health?plugins", "{}"),
        ("/health?bundles", "{}"),
        ("/health?bundles=true&plugins=true", "{}"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{path}");
    }
    assert_eq!(server.get("/").await.status, 404);
    assert_eq!(server.get("/v1/data").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn version_and_policy_say_what_is_running() {
    let server = Server::start(ALLOW_FOO, &[]).await;
    let version = server.json("/version").await;
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let policy = server.json("/policy").await;
    assert_eq!(policy["active"], true);
    assert_eq!(policy["engine"], "rvm");
    assert_eq!(policy["last_error"], Value::Null);
    let source = policy["source"].as_str().unwrap();
    assert!(
        source.contains(server.folder().to_str().unwrap()),
        "{policy}"
    );
    let reads = policy["reads"].to_string();
    assert!(reads.contains("source.spiffe.namespace"), "{reads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_shown_without_its_secrets() {
    let secret = "s3cr3t-t0ken-of-a-service";
    let set = [
        "services.acme.url=https://bundles.example".to_owned(),
        format!("services.acme.credentials.bearer.token={secret}"),
        format!("keys.k1.private_key={secret}"),
    ];
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let server = Server::start(ALLOW_FOO, &set).await;
    let config = server.get("/config").await.body;
    assert!(config.contains("https://bundles.example"), "{config}");
    for path in ["/config", "/policy", "/metrics", "/version", "/readyz"] {
        let body = server.get(path).await.body;
        assert!(!body.contains(secret), "{path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_series_is_made_of_what_callers_send() {
    let server = Server::start(ALLOW_FOO, &[]).await;
    server.check(&requests::path("/")).await;
    let before = server.series().await;
    for n in 0..50 {
        server
            .check(&requests::path(&format!("/{n}/{}", fastrand::u64(..))))
            .await;
        let other = format!("spiffe://cluster.local/ns/n{n}/sa/{}", fastrand::u64(..));
        server.check(&requests::principal(&other)).await;
    }
    assert_eq!(server.series().await, before);
    assert!(before.len() > 20, "{before:?}");
    assert_eq!(
        server
            .metric("portcullis_checks_total{outcome=\"denied\",reason=\"policy\"}")
            .await,
        Some(50.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stopped_answers_nobody() {
    let server = Server::start(ALLOW_FOO, &[]).await;
    let channel = server.channel();
    assert_eq!(code(&server.check(&requests::path("/")).await), 0);
    assert_eq!(server.stop().await, portcullis::app::Stopped::Drained);
    let answer = check(&channel, &requests::path("/"), None).await;
    assert!(answer.is_err(), "{answer:?}");
}
