//! Tokens that the gate verifies itself, in Istio's filter order: nobody has looked at them before.

use std::fs;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Mesh,
    client::{Caller, send},
    issuer::{AUDIENCE, ISSUER, Issuer, claims},
    jwt::PUBLISHED_SKELETON,
    key_server::keys::Signer,
};

/// One caller with one token.
struct Case {
    name: &'static str,
    workload: &'static str,
    token: Option<String>,
    /// What the caller is told; everything but 200 never reaches the upstream.
    status: u16,
    /// Why the token is no good, where it is not.
    error: Option<&'static str>,
}

/// The premium token of the workload that may use it, and all that differs in one thing from that.
fn cases(issuer: &Issuer) -> Vec<Case> {
    let with = |others: &Value| issuer.signer.token(&claims(others));
    let premium = issuer.premium();
    let (header_and_claims, _signature) = premium.rsplit_once('.').unwrap();
    let (_header, signed_claims) = header_and_claims.split_once('.').unwrap();
    let none = BASE64.encode(json!({"alg": "none", "typ": "JWT", "kid": "k1"}).to_string());
    let forged = Signer::es256("k1").token(&claims(&json!({})));
    let denied = |name, token: String, error| Case {
        name,
        workload: "orders-api",
        token: Some(token),
        status: 403,
        error,
    };
    let allowed = Case {
        status: 200,
        ..denied("premium", premium.clone(), None)
    };
    vec![
        allowed,
        denied("basic", with(&json!({"tier": "basic"})), None),
        denied(
            "expired",
            with(&json!({"exp": 1_000_000_000})),
            Some("expired"),
        ),
        denied(
            "audience",
            with(&json!({"aud": "billing"})),
            Some("audience"),
        ),
        denied(
            "alg-none",
            format!("{none}.{signed_claims}."),
            Some("algorithm"),
        ),
        denied(
            "stripped",
            format!("{header_and_claims}."),
            Some("bad_signature"),
        ),
        denied("forged", forged, Some("bad_signature")),
        Case {
            token: None,
            ..denied("absent", String::new(), Some("missing"))
        },
        Case {
            workload: "sleep",
            ..denied("another-workload", premium, None)
        },
    ]
}

/// Sends every case through istiod's filter order.
async fn every_case_gets_its_answer(mesh: &Mesh) {
    for case in cases(&mesh.issuer) {
        let name = case.name;
        let before = mesh.upstream.requests();
        let path = format!("/v1/charges/{name}");
        let caller = Caller::Workload(case.workload);
        let request = mesh
            .client(&caller)
            .get(mesh.url(&caller, "inbound", &path));
        let request = match &case.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = send(request).await;
        assert_eq!(answer.status(), case.status, "{name}");
        let passed = mesh.upstream.requests() - before;
        assert_eq!(passed, usize::from(case.status == 200), "{name}");
        if case.status == 200 {
            let seen: Value = answer.json().await.unwrap();
            assert_eq!(seen[":uri"], path);
            let token = case.token.unwrap();
            assert_eq!(seen["authorization"], json!([format!("Bearer {token}")]));
        }
    }
    let denied = mesh.envoy.stat("http.inbound.ext_authz.denied").await;
    assert_eq!(denied, 8, "the gate says no, not the filter behind it");
}

/// The log says what was wrong with which token, and never shows one.
async fn the_log_says_why(mesh: &Mesh, provider: &str) {
    for case in cases(&mesh.issuer) {
        let name = case.name;
        let line = mesh.gate.decided(&format!("/v1/charges/{name}"), 1).await;
        assert_eq!(line["token.error"].as_str(), case.error, "{name}");
        assert_eq!(line["outcome"] == "allowed", case.status == 200, "{name}");
        if case.error.is_none() {
            assert_eq!(line["token.provider"], provider, "{name}");
        }
    }
    for line in mesh.gate.log.all() {
        assert!(!line.to_string().contains("eyJ"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_skeleton_allows_the_premium_token_alone_in_istios_order() {
    let mesh = Mesh::configured(PUBLISHED_SKELETON, |issuer| issuer.trusted(&json!({}))).await;
    mesh.gate.keys_changed(1).await;
    every_case_gets_its_answer(&mesh).await;
    the_log_says_why(&mesh, "main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_authentication_file_is_as_good_as_a_provider() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("auth.yaml");
    let configure = |issuer: &Issuer| {
        let resource = json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": {"name": "tokens", "namespace": "commerce"},
            "spec": {"jwtRules": [{
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "jwksUri": issuer.server().url(),
                "forwardOriginalToken": true,
            }]},
        });
        fs::write(&file, resource.to_string()).unwrap();
        let jwt = json!({"request_authentication": [file]});
        json!({"portcullis": {"log": {"level": "debug"}, "jwt": jwt}})
    };
    let mesh = Mesh::configured(PUBLISHED_SKELETON, configure).await;
    mesh.gate.keys_changed(1).await;
    every_case_gets_its_answer(&mesh).await;
    the_log_says_why(&mesh, "commerce.tokens.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ported_policy_verifies_the_token_itself() {
    let mesh = Mesh::start("package envoy.authz\n\ndefault allow := false\n").await;
    let policy = format!(
        r#"package envoy.authz

import input.attributes.request.http as http_request

default allow := false

jwks := `{}`

claims := payload if {{
	[_, token] := split(http_request.headers.authorization, " ")
	[valid, _, payload] := io.jwt.decode_verify(token, {{"cert": jwks, "iss": "{ISSUER}", "aud": "{AUDIENCE}"}})
	valid
}}

allow if {{
	input.attributes.source.principal == "spiffe://cluster.local/ns/commerce/sa/orders-api"
	claims.tier == "premium"
}}
"#,
        mesh.issuer.keys()
    );
    mesh.policy.replace(&policy);
    let activated = |line: &Value| line["message"] == "policy activated";
    mesh.gate.log.nth(2, activated).await;
    every_case_gets_its_answer(&mesh).await;
}
