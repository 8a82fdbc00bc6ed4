//! Providers that refuse on their own: 401 with a challenge, and the policy is not asked.

use serde_json::{Value, json};

use crate::{
    Mesh,
    client::{Caller, send},
    issuer::claims,
    key_server::keys::Signer,
};

/// Would let everybody through, and looks at no token.
const POLICY: &str = "package envoy.authz\n\nallow := true\n";

const PLAIN: &str = "Bearer realm=\"portcullis\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_denies_answers_401_with_a_challenge() {
    let mesh = Mesh::configured(POLICY, |issuer| {
        let mut configuration =
            issuer.trusted(&json!({"on_missing": "deny", "on_invalid": "deny"}));
        configuration["portcullis"]["decision_id_header"] = "x-decision-id".into();
        configuration
    })
    .await;
    mesh.gate.keys_changed(1).await;
    let expired = mesh
        .issuer
        .signer
        .token(&claims(&json!({"exp": 1_000_000_000})));
    let forged = Signer::es256("k1").token(&claims(&json!({})));
    let wrong =
        |error: &str| format!("{PLAIN}, error=\"invalid_token\", error_description=\"{error}\"");
    let cases = [
        ("missing", None, PLAIN.to_owned()),
        ("expired", Some(expired), wrong("expired")),
        ("bad_signature", Some(forged), wrong("bad_signature")),
        ("malformed", Some("eyJ.e30".to_owned()), wrong("malformed")),
    ];
    let caller = Caller::Workload("sleep");
    let get = |path: &str, token: Option<&String>| {
        let request = mesh.client(&caller).get(mesh.url(&caller, "inbound", path));
        send(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    };
    for (error, token, challenge) in cases {
        let path = format!("/{error}");
        let answer = get(&path, token.as_ref()).await;
        assert_eq!(answer.status(), 401, "{error}");
        assert_eq!(answer.headers()["www-authenticate"], challenge, "{error}");
        let id = answer.headers()["x-decision-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let body = format!("denied: a valid token is required (decision_id {id})");
        assert_eq!(answer.text().await.unwrap(), body, "{error}");
        let line = mesh.gate.decided(&path, 1).await;
        assert_eq!(line["decision_id"], id, "{error}");
        assert_eq!(line["reason"], "token", "{error}");
        assert_eq!(line["token.error"], error, "{error}");
    }
    let grpc = mesh
        .grpc(Caller::Workload("sleep"), "/shop.Orders/List")
        .await;
    assert_eq!(grpc.headers()["grpc-status"], "16");
    assert_eq!(grpc.headers()["www-authenticate"], PLAIN);
    assert_eq!(mesh.upstream.requests(), 0);
    let token = mesh.issuer.premium();
    let answer = get("/orders", Some(&token)).await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("www-authenticate"));
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen[":uri"], "/orders");
    assert_eq!(mesh.upstream.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_switches_the_policy_alone_decides() {
    let policy = r#"package envoy.authz

default allow := false

allow if input.jwt.subject == "alice"

allow if input.jwt_error == "missing"
"#;
    let mesh = Mesh::configured(policy, |issuer| issuer.trusted(&json!({}))).await;
    mesh.gate.keys_changed(1).await;
    let expired = mesh
        .issuer
        .signer
        .token(&claims(&json!({"exp": 1_000_000_000})));
    let caller = Caller::Workload("sleep");
    for (token, status) in [
        (Some(mesh.issuer.premium()), 200),
        (None, 200),
        (Some(expired), 403),
    ] {
        let before = mesh.upstream.requests();
        let request = mesh.client(&caller).get(mesh.url(&caller, "inbound", "/"));
        let answer = send(match &token {
            Some(token) => request.bearer_auth(token),
            None => request,
        });
        let answer = answer.await;
        assert_eq!(answer.status(), status, "{token:?}");
        assert!(
            !answer.headers().contains_key("www-authenticate"),
            "{token:?}"
        );
        let passed = mesh.upstream.requests() - before;
        assert_eq!(passed, usize::from(status == 200), "{token:?}");
    }
}
