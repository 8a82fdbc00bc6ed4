//! `strip_on_allow`: the token does not go upstream, and nothing else changes.

use envoy_types::pb::envoy::service::auth::v3::{
    CheckResponse, OkHttpResponse, check_response::HttpResponse,
};

use super::{ISSUER, TELLS, asking, bearing, good, header, issuer, provider, serving, set};
use crate::{
    failures::code,
    key_server::{KeyServer, keys::Signer},
    requests,
    server::Server,
};

/// Allows, whatever the token is.
const ALLOWS: &str = "package envoy.authz\n\nallow := true\n";

async fn stripping(policy: &str, keys: &KeyServer, place: &str, more: &[&str]) -> Server {
    let provider = provider(0, "main", ISSUER, keys, &[place, "strip_on_allow=true"]);
    serving(policy, &[provider, set(more)]).await
}

fn allowed(answer: CheckResponse) -> OkHttpResponse {
    assert_eq!(code(&answer), 0, "{answer:?}");
    match answer.http_response {
        Some(HttpResponse::OkResponse(ok)) => ok,
        other => panic!("{other:?}"),
    }
}

fn with_cookies(cookies: &str) -> Vec<u8> {
    requests::http(requests::GET, |http| {
        http.headers.insert("cookie".to_owned(), cookies.to_owned());
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_is_removed_when_its_token_gets_through() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let place = "from_headers[0].name=authorization";
    let server = stripping(TELLS, &keys, place, &[]).await;
    let ok = allowed(server.check(&bearing(&good(&signer))).await);
    assert_eq!(ok.headers_to_remove, ["authorization"]);
    assert_eq!(header(&ok.headers, "x-subject"), Some("alice"));
    assert!(ok.query_parameters_to_remove.is_empty());
    let answer = server.check(&bearing("garbage")).await;
    assert_eq!(super::told(&answer), "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_removed_and_the_others_stay() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = stripping(TELLS, &keys, "from_cookies={session}", &[]).await;
    let token = good(&signer);
    let among = with_cookies(&format!("theme=dark; session={token}; lang=de"));
    let ok = allowed(server.check(&among).await);
    assert_eq!(header(&ok.headers, "cookie"), Some("theme=dark; lang=de"));
    assert!(ok.headers_to_remove.is_empty());
    let alone = with_cookies(&format!("session={token}"));
    let ok = allowed(server.check(&alone).await);
    assert_eq!(header(&ok.headers, "cookie"), None);
    assert_eq!(ok.headers_to_remove, ["cookie"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_is_removed_in_the_spelling_it_came_in() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = stripping(TELLS, &keys, "from_params={access_token}", &[]).await;
    for spelling in ["access_token", "access%5Ftoken", "%61ccess_token"] {
        let request = asking(&format!("a=1&{spelling}={}&b=2", good(&signer)));
        let ok = allowed(server.check(&request).await);
        assert_eq!(ok.query_parameters_to_remove, [spelling]);
        assert!(ok.headers_to_remove.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_verify_is_removed_too_when_the_policy_allows() {
    let keys = issuer(&[&Signer::es256("a")]).await;
    let place = "from_headers[0].name=authorization";
    let server = stripping(ALLOWS, &keys, place, &[]).await;
    for token in ["garbage", &good(&Signer::es256("a")), "a b"] {
        let ok = allowed(server.check(&bearing(token)).await);
        assert_eq!(ok.headers_to_remove, ["authorization"], "{token}");
    }
    let answer = server.check(&requests::path("/")).await;
    assert_eq!((code(&answer), answer.http_response), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_strip_on_allow_the_token_goes_upstream() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let server = super::trusting(TELLS, &keys, &[]).await;
    let ok = allowed(server.check(&bearing(&good(&signer))).await);
    assert!(ok.headers_to_remove.is_empty());
    assert_eq!(header(&ok.headers, "x-subject"), Some("alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_denies_nothing_and_strips_nothing() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let place = "from_headers[0].name=authorization";
    let dry_run = "plugins.envoy_ext_authz_grpc.dry-run=true";
    let denying = "portcullis.jwt.providers[0].on_invalid=deny";
    let missing = "portcullis.jwt.providers[0].on_missing=deny";
    let server = stripping(TELLS, &keys, place, &[dry_run, denying, missing]).await;
    for request in [
        bearing(&good(&signer)),
        bearing("garbage"),
        requests::path("/"),
    ] {
        let answer = server.check(&request).await;
        assert_eq!((code(&answer), answer.http_response), (0, None));
    }
}
