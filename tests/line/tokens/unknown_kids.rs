//! Tokens with keys that nobody knows: refused at once, and never a burden to the issuer or to others.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::{TELLS, bearing, claims, good, issuer, says, told, trusting};
use crate::{
    key_server::{Answer, keys::Signer},
    server::{Server, check},
};

const KIDS: usize = 1_000;
const THROTTLED: &str = "portcullis_jwks_unknown_kid_throttled_total{provider=\"main\"}";

/// How many fetches there may be: the first begins at once, each other an interval after the one before.
fn most(time: Duration, interval: Duration) -> u32 {
    let intervals = time.as_millis() / interval.as_millis();
    u32::try_from(intervals).unwrap() + 1
}

/// Asks with one token of each of a thousand random kids, and with a good one after every tenth.
/// Returns what came of the random ones.
async fn burst(server: &Server, signer: &Signer) -> Vec<String> {
    let (stranger, token) = (Signer::ed25519("stranger"), good(signer));
    let mut asking = JoinSet::new();
    for part in 0..10 {
        let requests: Vec<_> = (0..KIDS / 10)
            .map(|n| {
                let kid = format!("kid-{part}-{n}-{}", fastrand::u64(..));
                let header = json!({"alg": "EdDSA", "kid": kid});
                bearing(&stranger.token_with(&header, &claims(json!({}))))
            })
            .collect();
        let (channel, good) = (server.channel(), bearing(&token));
        asking.spawn(async move {
            let mut seen = Vec::new();
            for (n, request) in requests.iter().enumerate() {
                let answer = check(&channel, request, None).await.unwrap();
                seen.push(told(&answer).to_owned());
                if n % 10 == 0 {
                    let answer = check(&channel, &good, None).await.unwrap();
                    assert_eq!(told(&answer), "verified", "while kids are unknown");
                }
            }
            seen
        });
    }
    asking.join_all().await.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_unknown_kids_cause_one_fetch_an_interval_whatever_the_issuer_answers() {
    let min_refresh = Duration::from_millis(300);
    let signer = Signer::es256("a");
    for (name, then) in [
        ("the same", super::published(&[&signer])),
        ("500", Answer::Status(500)),
    ] {
        let began = Instant::now();
        let keys = issuer(&[&signer]).await;
        let server = trusting(TELLS, &keys, &["min_refresh=300ms"]).await;
        keys.set_keys(then);
        let seen = burst(&server, &signer).await;
        assert_eq!(seen.len(), KIDS);
        let others: Vec<_> = seen.iter().filter(|code| *code != "unknown_key").collect();
        assert!(others.is_empty(), "{name}: {others:?}");
        // The kids go on until one more fetch has come of them.
        let mut more = 0_u32;
        while keys.seen().len() < 2 {
            let stranger = Signer::ed25519(&format!("late-{more}"));
            assert_eq!(says(&server, &good(&stranger)).await, "unknown_key");
            more += 1;
        }
        let fetches = u32::try_from(keys.seen().len()).unwrap();
        let most = most(began.elapsed(), min_refresh);
        assert!(fetches <= most, "{name}: {fetches} fetches of {most}");
        // Each that caused no fetch is counted; those that did are as many as there were fetches.
        let throttled = server.metric(THROTTLED).await.expect("counted");
        let refused = super::verifications(&server, "unknown_key").await;
        let caused = refused - throttled;
        assert!(
            caused >= 1.0,
            "{name}: {refused} refused, {throttled} throttled"
        );
        assert!(caused <= f64::from(most), "{name}: {caused} caused a fetch");
        assert_eq!(says(&server, &good(&signer)).await, "verified", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_was_never_good_is_not_asked_for_more_often() {
    let min_refresh = Duration::from_millis(300);
    for (name, answer, code) in [
        ("empty", Answer::keys(&json!({"keys": []})), "unknown_key"),
        ("500", Answer::Status(500), "keys_unavailable"),
    ] {
        let began = Instant::now();
        let keys = crate::key_server::KeyServer::start(answer).await;
        let server = trusting(TELLS, &keys, &["min_refresh=300ms"]).await;
        let mut asked = 0_u32;
        while asked < 200 || keys.seen().len() < 2 {
            let stranger = Signer::ed25519(&format!("kid-{asked}"));
            assert_eq!(says(&server, &good(&stranger)).await, code);
            asked += 1;
        }
        let fetches = u32::try_from(keys.seen().len()).unwrap();
        let most = most(began.elapsed(), min_refresh);
        assert!(fetches <= most, "{name}: {fetches} of {most}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_kid_brings_the_new_key_for_those_who_come_after() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let keys = issuer(&[&old]).await;
    let server = trusting(TELLS, &keys, &["min_refresh=10ms"]).await;
    keys.set_keys(super::published(&[&old, &new]));
    let age = "portcullis_jwks_age_seconds{provider=\"main\"}";
    server.metric_when(age, |age| age > 0.02).await;
    assert_eq!(says(&server, &good(&new)).await, "unknown_key");
    let known = "portcullis_jwks_keys{provider=\"main\"}";
    server.metric_when(known, |keys| keys > 1.5).await;
    assert_eq!(says(&server, &good(&new)).await, "verified");
    let cause =
        "portcullis_jwks_fetches_total{provider=\"main\",cause=\"unknown_kid\",result=\"success\"}";
    assert_eq!(server.metric(cause).await, Some(1.0));
    assert_eq!(keys.seen().len(), 2);
    assert_eq!(server.metric(THROTTLED).await, Some(0.0));
}
