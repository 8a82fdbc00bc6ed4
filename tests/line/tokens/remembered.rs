//! The cache of tokens, as it is seen from outside.

use serde_json::json;
use tokio::task::JoinSet;

use super::{TELLS, bearing, claims, good, issuer, says, serving, trusting};
use crate::{
    failures::code,
    key_server::keys::Signer,
    server::{Server, check},
};

const HITS: &str = "portcullis_token_cache_hits_total";

async fn hits(server: &Server) -> f64 {
    server.metric(HITS).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_remembered_and_another_one_is_not_taken_for_it() {
    let signer = Signer::rs256("a");
    let keys = issuer(&[&signer]).await;
    let server = trusting(TELLS, &keys, &[]).await;
    let (one, other) = (good(&signer), signer.token(&claims(json!({"jti": "2"}))));
    for (token, expected) in [(&one, 0.0), (&one, 1.0), (&other, 1.0), (&other, 2.0)] {
        assert_eq!(says(&server, token).await, "verified");
        assert!((hits(&server).await - expected).abs() < 0.5);
    }
    let (message, _) = one.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    for expected in [2.0, 3.0] {
        let mixed = format!("{message}.{signature}");
        assert_eq!(says(&server, &mixed).await, "bad_signature");
        assert!((hits(&server).await - expected).abs() < 0.5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_turned_off_remembers_nothing() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let provider = super::provider(0, "main", super::ISSUER, &keys, &[]);
    let off = super::set(&["portcullis.jwt.cache.max_entries=0"]);
    let server = serving(TELLS, &[provider, off]).await;
    for _ in 0..2 {
        assert_eq!(says(&server, &good(&signer)).await, "verified");
        assert_eq!(
            says(&server, &good(&Signer::es256("a"))).await,
            "bad_signature"
        );
    }
    assert!(hits(&server).await < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_garbage_evicts_no_good_token() {
    const TASKS: usize = 8;
    const FLOOD: usize = 5_000;
    let signer = Signer::ed25519("a");
    let keys = issuer(&[&signer]).await;
    let provider = super::provider(0, "main", super::ISSUER, &keys, &[]);
    // Room for few good tokens, and for a fifth of the garbage.
    let cache = super::set(&[
        "portcullis.jwt.cache.max_entries=20",
        "portcullis.jwt.cache.max_failures=1000",
        "portcullis.jwt.cache.failure_ttl=1m",
    ]);
    let policy = "package envoy.authz\n\ndefault allow := false\n\nallow if input.jwt.subject\n";
    let server = serving(policy, &[provider, cache]).await;
    let tokens: Vec<_> = (0..10)
        .map(|n| signer.token(&claims(json!({"jti": n}))))
        .collect();
    for token in &tokens {
        assert_eq!(code(&server.check(&bearing(token)).await), 0);
    }
    let mut flood = JoinSet::new();
    for _ in 0..TASKS {
        let (channel, token) = (server.channel(), tokens[0].clone());
        flood.spawn(async move {
            let (message, _) = token.rsplit_once('.').unwrap();
            for _ in 0..FLOOD / TASKS {
                let request = bearing(&format!("{message}.{}", random_signature()));
                let answer = check(&channel, &request, None).await.unwrap();
                assert_eq!(code(&answer), 7);
            }
        });
    }
    flood.join_all().await;
    let before = hits(&server).await;
    for token in &tokens {
        assert_eq!(code(&server.check(&bearing(token)).await), 0);
    }
    assert!((hits(&server).await - before - 10.0).abs() < 0.5);
    let forged = super::verifications(&server, "bad_signature").await;
    assert!((forged - 5_000.0).abs() < 0.5, "{forged} of them");
}

/// 64 bytes in base64url.
fn random_signature() -> String {
    let letters = std::iter::repeat_with(fastrand::alphanumeric).take(85);
    // The last letter has four bits that are no part of any byte.
    letters.chain(['A']).collect()
}
