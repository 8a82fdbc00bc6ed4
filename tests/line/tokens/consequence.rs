//! `on_missing` and `on_invalid`: 401 without asking the policy, or the policy decides.

use envoy_types::pb::envoy::service::auth::v3::{CheckResponse, check_response::HttpResponse};
use serde_json::json;

use super::{
    ALLOWS, ISSUER, bearing, claims, good, header, issuer, provider, serving, with_headers,
};
use crate::{
    failures::{code, decision_id},
    key_server::{Answer, KeyServer, keys::Signer},
    log, requests,
    server::Server,
};

const OTHER: &str = "https://other.example";

/// The challenge of a denial by configuration, which is 401 and says nothing of the cause.
fn challenge(answer: &CheckResponse) -> String {
    assert_eq!(code(answer), 16, "{answer:?}");
    let Some(HttpResponse::DeniedResponse(denied)) = &answer.http_response else {
        panic!("{answer:?}");
    };
    assert_eq!(denied.status.as_ref().map(|status| status.code), Some(401));
    assert!(denied.body.starts_with("denied: a valid token is required"));
    let line = log::of_check(&decision_id(answer));
    assert_eq!(line["reason"], "token", "{line}");
    let challenge = header(&denied.headers, "www-authenticate");
    challenge.expect("a challenge").to_owned()
}

async fn denied_for_the_token(server: &Server) -> f64 {
    let series = "portcullis_checks_total{outcome=\"denied\",reason=\"token\"}";
    server.metric(series).await.unwrap()
}

/// Two providers, each at its own place and with its own settings.
async fn two(keys: &KeyServer, first: &[&str], second: &[&str]) -> Server {
    let at_other = ["from_headers[0].name=x-other"];
    let second: Vec<&str> = at_other.iter().chain(second).copied().collect();
    let set = [
        provider(0, "main", ISSUER, keys, first),
        provider(1, "other", OTHER, keys, &second),
    ];
    serving(ALLOWS, &set).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_token_is_denied_before_the_policy_where_that_is_wanted() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let denying = super::trusting(ALLOWS, &keys, &["on_missing=deny"]).await;
    let asking = super::trusting(ALLOWS, &keys, &["on_missing=policy"]).await;
    let without = requests::path("/");
    let answer = denying.check(&without).await;
    assert_eq!(challenge(&answer), "Bearer realm=\"portcullis\"");
    assert_eq!(code(&asking.check(&without).await), 0);
    for server in [&denying, &asking] {
        assert_eq!(code(&server.check(&bearing(&good(&signer))).await), 0);
        assert_eq!(code(&server.check(&bearing("garbage")).await), 0);
    }
    assert!((denied_for_the_token(&denying).await - 1.0).abs() < 0.5);
    assert!(denied_for_the_token(&asking).await < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_token_is_denied_before_the_policy_where_that_is_wanted() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let denying = super::trusting(ALLOWS, &keys, &["on_invalid=deny"]).await;
    let asking = super::trusting(ALLOWS, &keys, &["on_invalid=policy"]).await;
    let cases = [
        ("garbage".to_owned(), "malformed"),
        (signer.token(&claims(json!({"exp": 1}))), "expired"),
        (signer.token(&claims(json!({"iss": "x"}))), "unknown_issuer"),
        (good(&Signer::es256("b")), "unknown_key"),
        (good(&Signer::es256("a")), "bad_signature"),
    ];
    for (token, error) in &cases {
        let request = bearing(token);
        let expected = format!(
            "Bearer realm=\"portcullis\", error=\"invalid_token\", error_description=\"{error}\""
        );
        assert_eq!(challenge(&denying.check(&request).await), expected);
        assert_eq!(code(&asking.check(&request).await), 0, "{error}");
    }
    for server in [&denying, &asking] {
        assert_eq!(code(&server.check(&bearing(&good(&signer))).await), 0);
        assert_eq!(code(&server.check(&requests::path("/")).await), 0);
    }
    assert!((denied_for_the_token(&denying).await - 5.0).abs() < 0.5);
    assert!(denied_for_the_token(&asking).await < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_nobody_could_check_is_not_called_invalid() {
    let keys = KeyServer::start(Answer::Status(500)).await;
    let server = super::trusting(ALLOWS, &keys, &["on_invalid=deny"]).await;
    let answer = server.check(&bearing(&good(&Signer::es256("a")))).await;
    assert_eq!(challenge(&answer), "Bearer realm=\"portcullis\"");
    let line = log::of_check(&decision_id(&answer));
    assert_eq!(line["token.error"], "keys_unavailable", "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_providers_each_denies_at_its_own_place() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = two(&keys, &["on_invalid=deny"], &["on_invalid=policy"]).await;
    let of = |issuer: &str| signer.token(&claims(json!({"iss": issuer})));
    let bad = |issuer: &str| signer.token(&claims(json!({"iss": issuer, "exp": 1})));
    let unknown = of("https://nobody.example");
    for (token, at_main, at_other) in [
        (of(ISSUER), 0, 0),
        (bad(ISSUER), 16, 0),
        // At the wrong place its issuer is one like any other that nobody knows.
        (of(OTHER), 16, 0),
        (bad(OTHER), 16, 0),
        (unknown, 16, 0),
        ("garbage".to_owned(), 16, 0),
    ] {
        let answer = server.check(&bearing(&token)).await;
        assert_eq!(code(&answer), at_main, "{token}");
        let answer = server.check(&with_headers(&[("x-other", &token)])).await;
        assert_eq!(code(&answer), at_other, "{token}");
    }
    assert_eq!(code(&server.check(&requests::path("/")).await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_provider_is_enough_where_another_denies_without_any() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = two(&keys, &[], &["on_missing=deny"]).await;
    assert_eq!(code(&server.check(&requests::path("/")).await), 16);
    assert_eq!(code(&server.check(&bearing(&good(&signer))).await), 0);
}
