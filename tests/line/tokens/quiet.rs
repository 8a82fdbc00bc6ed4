//! What is never told: tokens, claims and kids in the log, anything of callers in metrics.

use serde_json::json;

use super::{ISSUER, TELLS, asking, bearing, claims, issuer, provider, serving, with_headers};
use crate::{key_server::keys::Signer, log, server::Server};

/// A word that is nowhere else.
fn word(what: &str) -> String {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(16)
        .collect();
    format!("{what}{random}")
}

async fn server(signer: &Signer) -> (crate::key_server::KeyServer, Server) {
    let keys = issuer(&[signer]).await;
    let places = [
        "from_headers[0].name=authorization",
        "from_headers[1].name=x-token",
        "from_cookies={session}",
        "from_params={access_token}",
    ];
    let server = serving(TELLS, &[provider(0, "main", ISSUER, &keys, &places)]).await;
    (keys, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_claim_or_kid_is_in_the_log_or_in_metrics() {
    let signer = Signer::es256("a");
    let (_keys, server) = server(&signer).await;
    let [kid, issuer, secret, garbage] = ["kid", "iss", "secret", "garbage"].map(word);
    let claimed = claims(json!({"jti": secret, "email": secret}));
    let elsewhere = claims(json!({"iss": issuer, "sub": secret}));
    let expired = claims(json!({"sub": secret, "exp": 1}));
    let odd = claims(json!({"sub": [secret]}));
    let unknown = json!({"alg": "ES256", "kid": kid});
    let wrong = json!({"alg": kid, "kid": kid, "typ": secret});
    let tokens = [
        signer.token(&claimed),
        signer.token(&elsewhere),
        signer.token(&expired),
        signer.token(&odd),
        signer.token_with(&unknown, &claimed),
        signer.token_with(&wrong, &claimed),
        garbage.clone(),
    ];
    for token in &tokens {
        for request in [
            bearing(token),
            with_headers(&[("x-token", token)]),
            with_headers(&[("cookie", &format!("session={token}"))]),
            asking(&format!("access_token={token}")),
            with_headers(&[("x-token", token), ("cookie", &format!("session={token}"))]),
        ] {
            server.check(&request).await;
        }
    }
    let (log, metrics) = (log::text(), server.get("/metrics").await.body);
    let signatures = tokens.iter().flat_map(|token| token.split('.'));
    let kept = [&kid, &issuer, &secret, &garbage];
    for text in signatures.chain(kept.map(String::as_str)) {
        assert!(!log.contains(text), "the log shows `{text}`");
        assert!(!metrics.contains(text), "a metric shows `{text}`");
    }
    // That nothing is found says something: what may be shown is found.
    assert!(log.contains("\"token.error\":\"unknown_key\""));
    assert!(log.contains("\"token.provider\":\"main\""));
    assert!(metrics.contains("portcullis_token_verifications_total"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_series_is_made_of_tokens() {
    let signer = Signer::es256("a");
    let (_keys, server) = server(&signer).await;
    let ask = async |n: u32| {
        let stranger = Signer::ed25519(&word("kid"));
        let others = json!({"iss": word("iss"), "sub": word("sub"), "aud": word("aud")});
        for token in [
            stranger.token(&claims(json!({"jti": n}))),
            stranger.token(&claims(others)),
            signer.token(&claims(json!({"jti": word("jti")}))),
            word("garbage"),
        ] {
            server.check(&bearing(&token)).await;
        }
    };
    // The first of each kind makes the series of its provider.
    ask(0).await;
    let before = server.series().await;
    for n in 1..100 {
        ask(n).await;
    }
    assert_eq!(server.series().await, before);
    assert!((super::verifications(&server, "unknown_key").await - 100.0).abs() < 0.5);
}
