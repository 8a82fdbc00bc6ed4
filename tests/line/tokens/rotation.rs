//! Keys that come and go while callers ask, and an issuer that is gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    sync::{RwLock, watch},
    task::JoinSet,
};
use tonic::transport::Channel;

use super::{TELLS, bearing, claims, good, issuer, published, says, told, trusting};
use crate::{
    key_server::{Answer, KeyServer, keys::Signer},
    server::{Server, check, soon},
};

const OFTEN: [&str; 2] = ["min_refresh=10ms", "refresh_interval=20ms"];

/// Waits until the keys that are served now are the ones in use: the request after the next one is
/// sent only when the answer to that is.
async fn used(keys: &KeyServer) {
    let seen = keys.seen().len();
    soon(keys.requests(seen.saturating_add(2))).await;
}

/// What callers sign with now; held while a token is on its way.
type Current = Arc<RwLock<Signer>>;

/// Asks until told to stop, with the same token and with new ones; returns how often.
async fn ask(channel: Channel, current: Current, stop: watch::Receiver<bool>) -> u32 {
    let mut asked = 0;
    while !*stop.borrow() {
        let signer = current.read().await;
        let tokens = [good(&signer), signer.token(&claims(json!({"jti": asked})))];
        for token in tokens {
            let answer = check(&channel, &bearing(&token), None).await.unwrap();
            assert_eq!(told(&answer), "verified", "{} at {asked}", signer.kid());
            asked += 1;
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correct_rotation_refuses_no_token_and_a_key_that_is_gone_verifies_none() {
    let mut old = Signer::es256("key-0");
    let keys = issuer(&[&old]).await;
    let server = trusting(TELLS, &keys, &OFTEN).await;
    let current: Current = Arc::new(RwLock::new(Signer::ed25519("first")));
    let first = current.read().await.jwk();
    keys.set_keys(Answer::keys(&json!({"keys": [first, old.jwk()]})));
    used(&keys).await;
    let (stop, stopped) = watch::channel(false);
    let mut asking = JoinSet::new();
    for _ in 0..4 {
        let (current, stopped) = (Arc::clone(&current), stopped.clone());
        asking.spawn(ask(server.channel(), current, stopped));
    }
    for n in 1..=30 {
        // Nobody signs with `old` any more: what it has signed is remembered, and then its key goes.
        let token = good(&old);
        for _ in 0..2 {
            assert_eq!(says(&server, &token).await, "verified");
        }
        let in_use = current.read().await.jwk();
        keys.set_keys(Answer::keys(&json!({"keys": [in_use]})));
        used(&keys).await;
        assert_eq!(says(&server, &token).await, "unknown_key", "rotation {n}");
        // The next key is published, and when it is in use everywhere, signed with.
        let new = Signer::es256(&format!("key-{n}"));
        keys.set_keys(Answer::keys(&json!({"keys": [in_use, new.jwk()]})));
        used(&keys).await;
        old = std::mem::replace(&mut *current.write().await, new);
    }
    stop.send(true).unwrap();
    let asked: u32 = asking.join_all().await.into_iter().sum();
    assert!(asked > 100, "{asked} checks in all");
    assert!(super::verifications(&server, "unknown_key").await < 30.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_replaced_under_its_own_name_verifies_nothing_of_the_old_one() {
    let (old, new) = (Signer::es256("same"), Signer::es256("same"));
    let keys = issuer(&[&old]).await;
    let server = trusting(TELLS, &keys, &OFTEN).await;
    // The same tokens all the time, so that their results are remembered.
    let (of_old, of_new) = (good(&old), good(&new));
    for _ in 0..2 {
        assert_eq!(says(&server, &of_old).await, "verified");
        assert_eq!(says(&server, &of_new).await, "bad_signature");
    }
    keys.set_keys(published(&[&new]));
    used(&keys).await;
    assert_eq!(says(&server, &of_old).await, "bad_signature");
    assert_eq!(says(&server, &of_new).await, "verified");
}

/// Asks until that is the answer; returns how long it took.
async fn until(server: &Server, token: &str, wanted: &str) -> Duration {
    let began = Instant::now();
    soon(async {
        while says(server, token).await != wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_issuer_that_is_gone_are_used_until_they_are_too_stale() {
    let signer = Signer::es256("a");
    let keys = issuer(&[&signer]).await;
    let stale = [OFTEN[0], OFTEN[1], "max_stale=1s"];
    let server = trusting(TELLS, &keys, &stale).await;
    let token = good(&signer);
    for answer in [
        Answer::Status(500),
        Answer::Text("garbage".to_owned(), Vec::new()),
    ] {
        keys.set_keys(answer);
        let seen = keys.seen().len();
        soon(keys.requests(seen.saturating_add(2))).await;
        assert_eq!(says(&server, &token).await, "verified");
        let lasted = until(&server, &token, "keys_unavailable").await;
        assert!(lasted > Duration::from_millis(500), "{lasted:?}");
        // Remembered or not, and whatever else comes: there is no key.
        assert_eq!(says(&server, &token).await, "keys_unavailable");
        let new = signer.token(&claims(json!({"jti": "new"})));
        assert_eq!(says(&server, &new).await, "keys_unavailable");
        keys.set_keys(published(&[&signer]));
        until(&server, &token, "verified").await;
    }
}
