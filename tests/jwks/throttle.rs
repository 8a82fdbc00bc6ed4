//! Tokens with keys that nobody knows: they never make us a burden to the issuer.

use std::time::{Duration, Instant};

use portcullis::identity::jwt::{Nudge, Refresh};
use serde_json::json;

use crate::{
    following::{Following, at, soon},
    server::{
        Answer, KeyServer,
        keys::{Signer, key_set},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_unknown_kids_cause_at_most_one_fetch_an_interval() {
    let min_refresh = Duration::from_millis(100);
    let cases = [
        ("good", Answer::keys(&key_set(&[&Signer::es256("a")]))),
        ("empty", Answer::keys(&json!({"keys": []}))),
        ("failing", Answer::Status(500)),
    ];
    for (name, answer) in cases {
        let server = KeyServer::start(answer).await;
        let started = Instant::now();
        let name = format!("flood-of-kids-{name}");
        let following = Following::start_with(&name, at(server.url()), min_refresh, None);
        following.rounds(1).await;
        let (mut asked, mut accepted) = (0_u64, 0_u64);
        let flood = async {
            while asked < 1_000 || following.refresh.rounds() < 4 {
                let kid = format!("random-{asked}");
                if following.refresh.ask(&kid, Instant::now()) == Nudge::Accepted {
                    accepted += 1;
                }
                asked += 1;
                tokio::task::yield_now().await;
            }
        };
        soon(flood).await;
        let fetches = u128::try_from(server.seen().len()).unwrap();
        // The first begins at once, each other an interval or more after the one before.
        let most = started.elapsed().as_millis() / min_refresh.as_millis() + 1;
        assert!(
            fetches <= most,
            "{name}: {fetches} fetches, {most} are the most"
        );
        assert!(accepted >= 1, "{name}: {accepted} of {asked}");
    }
}

/// [`Refresh`] throttles too; the follower does not lean on that.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_not_answered_more_often() {
    let min_refresh = Duration::from_millis(100);
    let server = KeyServer::start(Answer::Status(500)).await;
    let started = Instant::now();
    let refresh = Refresh::new(Duration::ZERO);
    let source = at(server.url());
    let following = Following::start_asked_by(refresh, "impatient", source, min_refresh, None);
    let asking = async {
        for n in 0_u64.. {
            if following.refresh.rounds() >= 4 {
                return;
            }
            following.refresh.ask(&n.to_string(), Instant::now());
            tokio::task::yield_now().await;
        }
    };
    soon(asking).await;
    let fetches = u128::try_from(server.seen().len()).unwrap();
    let most = started.elapsed().as_millis() / min_refresh.as_millis() + 1;
    assert!(fetches <= most, "{fetches} fetches, {most} are the most");
}

#[tokio::test]
async fn without_unknown_kids_there_is_one_fetch() {
    let server = KeyServer::start(Answer::keys(&key_set(&[&Signer::es256("a")]))).await;
    let following = Following::start("unasked", at(server.url()));
    following.rounds(1).await;
    assert_eq!(server.seen().len(), 1);
    following.refreshed().await;
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_nudge_while_a_fetch_is_under_way_starts_no_second_one() {
    let server = KeyServer::start(Answer::Stall).await;
    let following = Following::start("under-way", at(server.url()));
    soon(server.requests(1)).await;
    for n in 0..100 {
        let nudge = following.refresh.ask(&format!("k{n}"), Instant::now());
        assert_eq!(nudge, Nudge::Throttled);
        tokio::task::yield_now().await;
    }
    assert_eq!(server.seen().len(), 1);
}
