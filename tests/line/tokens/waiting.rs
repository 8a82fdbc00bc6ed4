//! `wait_for_key`: the first token after a rotation, and how little it may cost.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{
    ISSUER, TELLS, bearing, good, issuer, provider, published, says, starting, told, trusting,
};
use crate::{
    key_server::{Answer, KeyServer, keys::Signer},
    server::{Server, check},
};

/// A server whose checks may wait, with nothing fetched for a while.
async fn server(keys: &KeyServer, wait: &str) -> Server {
    let wait = format!("wait_for_key={wait}");
    let server = trusting(TELLS, keys, &[&wait, "min_refresh=20ms"]).await;
    older_than(&server, 0.05).await;
    server
}

/// Waits until the last fetch is so many seconds old.
async fn older_than(server: &Server, seconds: f64) {
    let age = "portcullis_jwks_age_seconds{provider=\"main\"}";
    server.metric_when(age, |age| age > seconds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_token_after_a_rotation_waits_for_its_key_where_that_is_wanted() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    for (wait, expected) in [("5s", "verified"), ("0s", "unknown_key")] {
        let keys = issuer(&[&old]).await;
        let server = server(&keys, wait).await;
        keys.set_keys(published(&[&old, &new]));
        assert_eq!(says(&server, &good(&new)).await, expected, "{wait}");
        assert_eq!(keys.requests(2).await.len(), 2, "{wait}");
        assert_eq!(says(&server, &good(&old)).await, "verified", "{wait}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_who_waits_for_one_key_waits_for_one_fetch() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let keys = issuer(&[&old]).await;
    let slow = ["wait_for_key=5s", "min_refresh=1s"];
    let server = trusting(TELLS, &keys, &slow).await;
    older_than(&server, 1.1).await;
    keys.set_keys(published(&[&old, &new]));
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let (channel, request) = (server.channel(), bearing(&good(&new)));
        asking.spawn(async move { check(&channel, &request, None).await.unwrap() });
    }
    for answer in asking.join_all().await {
        assert_eq!(told(&answer), "verified");
    }
    assert_eq!(keys.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_server_that_stalls_costs_half_of_the_budget_at_most() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let keys = KeyServer::start(Answer::Stall).await;
    let slow = ["wait_for_key=4s", "min_refresh=1h", "refresh_interval=1h"];
    let provider = provider(0, "main", ISSUER, &keys, &slow);
    let server = starting(TELLS, &[provider]).await;
    keys.requests(1).await;
    for token in [good(&old), good(&new)] {
        let began = Instant::now();
        let answer = server
            .try_check(&bearing(&token), Some("1S"))
            .await
            .unwrap();
        let took = began.elapsed();
        assert_eq!(told(&answer), "keys_unavailable");
        assert!(took >= Duration::from_millis(400), "waited for {took:?}");
        assert!(took < Duration::from_millis(995), "took {took:?}");
    }
    assert_eq!(keys.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_token_whose_key_is_unknown_waits() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let keys = issuer(&[&old]).await;
    let server = server(&keys, "2s").await;
    keys.set_keys(Answer::Stall);
    let (channel, request) = (server.channel(), bearing(&good(&new)));
    let began = Instant::now();
    let waiting = tokio::spawn(async move { check(&channel, &request, None).await.unwrap() });
    keys.requests(2).await;
    for token in [good(&old), "garbage".to_owned()] {
        let expected = if token == "garbage" {
            "malformed"
        } else {
            "verified"
        };
        assert_eq!(says(&server, &token).await, expected);
        assert!(!waiting.is_finished(), "nobody waits");
    }
    assert_eq!(told(&waiting.await.unwrap()), "unknown_key");
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(2), "waited {waited:?}");
    assert_eq!(keys.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_kids_waits_for_nothing_but_a_fetch_under_way() {
    let old = Signer::es256("old");
    let keys = issuer(&[&old]).await;
    let server = trusting(
        TELLS,
        &keys,
        &["wait_for_key=50ms", "min_refresh=1h", "refresh_interval=1h"],
    )
    .await;
    let began = Instant::now();
    for n in 0..50 {
        let stranger = Signer::ed25519(&format!("stranger-{n}"));
        assert_eq!(says(&server, &good(&stranger)).await, "unknown_key");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_millis(50 * 50), "took {took:?}");
    assert_eq!(keys.seen().len(), 1);
}
