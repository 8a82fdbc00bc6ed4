//! Every code of `input.jwt_error`, each by a real token: what the policy, the metrics and the log see.

use portcullis::identity::jwt::JwtError;
use serde_json::{Value, json};

use super::{
    ISSUER, TELLS, bearing, claims, good, issuer, now, serving, told, trusting, verifications,
};
use crate::{
    failures::decision_id,
    key_server::{Answer, KeyServer, keys::Signer},
    log, requests,
    server::Server,
};

/// A request and the code that it must get.
struct Row {
    code: JwtError,
    request: Vec<u8>,
    /// Whom the log names as the provider.
    provider: Value,
}

fn row(code: JwtError, token: &str, provider: impl Into<Value>) -> Row {
    Row {
        code,
        request: bearing(token),
        provider: provider.into(),
    }
}

/// One request for every code that a server with keys gives.
fn rows(signer: &Signer, another: &Signer) -> Vec<Row> {
    let ours = |others: Value| {
        let mut claims = claims(json!({"aud": "shop"}));
        let others = others.as_object().unwrap().clone();
        claims.as_object_mut().unwrap().extend(others);
        claims
    };
    let of = |others: Value| signer.token(&ours(others));
    let hmac = json!({"alg": "HS256", "kid": signer.kid()});
    let (hour_ago, in_an_hour) = (now().saturating_sub(3600), now().saturating_add(3600));
    let endless = json!({"iss": ISSUER, "sub": "alice", "aud": "shop"});
    vec![
        Row {
            code: JwtError::Missing,
            request: requests::path("/"),
            provider: Value::Null,
        },
        row(JwtError::Malformed, "garbage", Value::Null),
        row(
            JwtError::UnknownIssuer,
            &of(json!({"iss": format!("{ISSUER}/")})),
            Value::Null,
        ),
        row(
            JwtError::UnknownKey,
            &Signer::es256("nobody").token(&ours(json!({}))),
            "main",
        ),
        row(
            JwtError::BadSignature,
            &another.token(&ours(json!({}))),
            "main",
        ),
        row(JwtError::Expired, &of(json!({"exp": hour_ago})), "main"),
        row(
            JwtError::NotYetValid,
            &of(json!({"nbf": in_an_hour})),
            "main",
        ),
        row(JwtError::Audience, &of(json!({"aud": ["stock"]})), "main"),
        row(
            JwtError::Algorithm,
            &signer.token_with(&hmac, &ours(json!({}))),
            "main",
        ),
        row(JwtError::Claim, &signer.token(&endless), "main"),
    ]
}

/// The policy, the log and the metrics all say `row.code`, and say it of this request.
async fn assert_seen(server: &Server, row: &Row) {
    let code = row.code.as_str();
    let before = verifications(server, code).await;
    let answer = server.check(&row.request).await;
    assert_eq!(told(&answer), code);
    let line = log::of_check(&decision_id(&answer));
    assert_eq!(line["token.error"], code, "{line}");
    assert_eq!(line["token.provider"], row.provider, "{line}");
    assert_eq!(line["outcome"], "denied", "{line}");
    assert!((verifications(server, code).await - before - 1.0).abs() < 0.5);
}

/// The good token gets through, and nothing says anything else.
async fn assert_verified(server: &Server, token: &str) {
    let before = verifications(server, "verified").await;
    let answer = server.check(&bearing(token)).await;
    assert_eq!(told(&answer), "verified");
    let line = log::of_check(&decision_id(&answer));
    assert_eq!(line["token.error"], Value::Null, "{line}");
    assert_eq!(line["token.provider"], "main", "{line}");
    assert!((verifications(server, "verified").await - before - 1.0).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_is_seen_by_the_policy_the_log_and_the_metrics() {
    for make in [Signer::rs256, Signer::es256, Signer::ed25519] {
        let (signer, another) = (make("a"), make("a"));
        let keys = issuer(&[&signer]).await;
        let server = trusting(TELLS, &keys, &["audiences={shop}"]).await;
        let token = signer.token(&claims(json!({"aud": ["stock", "shop"]})));
        let mut codes = vec![JwtError::KeysUnavailable];
        for row in rows(&signer, &another) {
            assert_seen(&server, &row).await;
            assert_verified(&server, &token).await;
            codes.push(row.code);
        }
        assert!(JwtError::ALL.iter().all(|code| codes.contains(code)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_never_came_are_a_code_until_they_come() {
    let signer = Signer::es256("a");
    let keys = KeyServer::start(Answer::Status(500)).await;
    let server = trusting(TELLS, &keys, &["min_refresh=10ms"]).await;
    let unavailable = row(JwtError::KeysUnavailable, &good(&signer), "main");
    assert_seen(&server, &unavailable).await;
    keys.set_keys(super::published(&[&signer]));
    let fresh = "portcullis_jwks_keys{provider=\"main\"}";
    server.metric_when(fresh, |keys| keys > 0.5).await;
    assert_verified(&server, &good(&signer)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_every_token_is_of_an_unknown_issuer() {
    let server = serving(TELLS, &[]).await;
    let token = good(&Signer::es256("a"));
    assert_seen(&server, &row(JwtError::UnknownIssuer, &token, Value::Null)).await;
    let without = Row {
        code: JwtError::Missing,
        request: requests::path("/"),
        provider: Value::Null,
    };
    assert_seen(&server, &without).await;
}
