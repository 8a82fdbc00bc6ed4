//! An issuer that is away when the gate starts.

use serde_json::{Value, json};
use tempfile::TempDir;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    Mesh,
    client::{Caller, send},
    issuer::claims,
    key_server::{Answer, keys::Signer},
    soon,
};

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.jwt.claims.tier == "premium"
"#;

fn says(message: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["message"] == message
}

async fn status(mesh: &Mesh, path: &str, token: &str) -> u16 {
    let caller = Caller::Workload("sleep");
    let url = mesh.url(&caller, "gate-alone", path);
    let request = mesh.client(&caller).get(url).bearer_auth(token);
    send(request).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gate_comes_back_while_the_issuer_is_away_only_with_keys_on_disk() {
    let disk = TempDir::new().unwrap();
    let mut configuration = Value::Null;
    let mut mesh = Mesh::configured(POLICY, |issuer| {
        configuration = issuer.trusted(&json!({}));
        configuration["persistence_directory"] = disk.path().to_str().into();
        configuration.clone()
    })
    .await;
    let valid = mesh.issuer.premium();
    let forged = Signer::es256("k1").token(&claims(&json!({})));
    mesh.gate.keys_changed(1).await;
    assert_eq!(status(&mesh, "/", &valid).await, 200);
    assert_eq!(status(&mesh, "/", &forged).await, 403);
    // Keys are on disk before the next fetch begins.
    mesh.gate.log.first(says("keys confirmed")).await;
    mesh.issuer.go_away();

    mesh.restart(&configuration).await;
    mesh.gate.log.first(says("keys restored from disk")).await;
    mesh.gate.log.first(says("keys not fetched")).await;
    assert_eq!(status(&mesh, "/", &valid).await, 200);
    assert_eq!(status(&mesh, "/forged", &forged).await, 403);
    let line = mesh.gate.decided("/forged", 1).await;
    assert_eq!(line["token.error"], "bad_signature");
    assert_eq!(mesh.gate.log.count(says("keys changed")), 0);
    assert_eq!(mesh.upstream.requests(), 2);

    configuration["persistence_directory"] = Value::Null;
    mesh.restart(&configuration).await;
    mesh.gate.log.first(says("keys not fetched")).await;
    for (path, token) in [("/valid", &valid), ("/forged", &forged)] {
        assert_eq!(status(&mesh, path, token).await, 403, "{path}");
        let line = mesh.gate.decided(path, 1).await;
        assert_eq!(line["token.error"], "keys_unavailable", "{path}");
    }
    assert_eq!(mesh.upstream.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_needs_keys_is_not_ready_before_it_has_some() {
    let mesh = Mesh::configured(POLICY, |issuer| {
        issuer.server().set_keys(Answer::Status(503));
        issuer.trusted(&json!({"required": true}))
    })
    .await;
    let readyz = async || {
        let url = format!("http://{}/readyz", mesh.gate.admin);
        let answer = send(
            reqwest::Client::builder()
                .no_proxy()
                .build()
                .unwrap()
                .get(url),
        )
        .await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let gate = format!("http://127.0.0.1:{}", mesh.gate.port());
    let channel = tonic::transport::Endpoint::new(gate).unwrap();
    let mut health = HealthClient::new(channel.connect().await.unwrap());
    let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    let token = mesh.issuer.premium();

    mesh.gate.log.nth(2, says("keys not fetched")).await;
    let first = soon(watch.message()).await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::NotServing);
    let pending = json!({"ready": false, "pending": ["jwks:main"]});
    let (code, body) = readyz().await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, body), (503, pending));
    assert_eq!(status(&mesh, "/early", &token).await, 403);
    let line = mesh.gate.decided("/early", 1).await;
    assert_eq!(line["token.error"], "keys_unavailable");
    assert_eq!(mesh.upstream.requests(), 0);

    mesh.issuer
        .server()
        .set_keys(Answer::keys(&mesh.issuer.keys()));
    let next = soon(watch.message()).await.unwrap().unwrap();
    assert_eq!(next.status(), ServingStatus::Serving);
    assert_eq!(readyz().await, (200, r#"{"ready":true}"#.to_owned()));
    assert_eq!(status(&mesh, "/", &token).await, 200);
    let forged = Signer::es256("k1").token(&claims(&json!({})));
    assert_eq!(status(&mesh, "/", &forged).await, 403);
    assert_eq!(mesh.upstream.requests(), 1);
}
