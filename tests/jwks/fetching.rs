//! Keys that come: rotation, conditional requests, when to come back.

use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, ETAG};
use portcullis::sources::jwks::Source;
use serde_json::json;

use crate::{
    following::{Following, HOUR, at, soon},
    server::{
        Answer, KeyServer,
        keys::{Signer, key_set},
    },
};

#[tokio::test]
async fn keys_are_fetched_at_once_and_can_be_used() {
    let (a, b) = (Signer::es256("a"), Signer::es256("b"));
    let server = KeyServer::start(Answer::keys(&key_set(&[&a, &b]))).await;
    let following = Following::start("at-once", at(server.url()));
    following.rounds(1).await;
    assert_eq!(following.usable_now(&["a", "b", "c"]), ["a", "b"]);
    assert_eq!(following.fetches("startup", "success"), 1);
    assert_eq!(following.fetches("startup", "failure"), 0);
    assert_eq!(following.metric("portcullis_jwks_keys{{}}"), Some(2.0));
    let seen = &server.seen()[0];
    let agent = format!("portcullis/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.user_agent.as_ref(), Some(&agent));
    assert_eq!(
        seen.accept.as_deref(),
        Some("application/json, application/jwk-set+json")
    );
    assert_eq!(seen.if_none_match, None);
}

#[tokio::test]
async fn keys_of_every_type_are_read() {
    let signers = [Signer::rs256("r"), Signer::es256("e"), Signer::ed25519("d")];
    let set = key_set(&signers.iter().collect::<Vec<_>>());
    let server = KeyServer::start(Answer::keys(&set)).await;
    let following = Following::start("every-type", at(server.url()));
    following.rounds(1).await;
    assert_eq!(following.metric("portcullis_jwks_keys{{}}"), Some(3.0));
}

#[tokio::test]
async fn metrics_tell_how_old_the_keys_are() {
    let server = KeyServer::start(Answer::Status(500)).await;
    let following = Following::start("age", at(server.url()));
    following.rounds(1).await;
    let age = "portcullis_jwks_age_seconds{{}}";
    let success = "portcullis_jwks_last_success_timestamp_seconds{{}}";
    assert_eq!(
        (following.metric(age), following.metric(success)),
        (None, None)
    );
    server.set_keys(Answer::keys(&key_set(&[&Signer::es256("a")])));
    following.refreshed().await;
    let age = following.metric(age).unwrap();
    assert!((0.0..60.0).contains(&age), "{age}");
    assert!(following.metric(success).unwrap() > 1.7e9);
}

#[tokio::test]
async fn a_rotation_adds_the_new_key_and_then_drops_the_old_one() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let server = KeyServer::start(Answer::keys(&key_set(&[&old]))).await;
    let following = Following::start("rotation", at(server.url()));
    let kids = ["old", "new"];
    following.rounds(1).await;
    assert_eq!(following.usable_now(&kids), ["old"]);
    let first = following.generation();

    server.set_keys(Answer::keys(&key_set(&[&old, &new])));
    following.refreshed().await;
    assert_eq!(following.usable_now(&kids), kids);
    let both = following.generation();
    assert_ne!(both, first);

    server.set_keys(Answer::keys(&key_set(&[&new])));
    following.refreshed().await;
    assert_eq!(following.usable_now(&kids), ["new"]);
    assert_ne!(following.generation(), both);
    assert_eq!(following.fetches("unknown_kid", "success"), 2);
    assert_eq!(following.lines("keys changed").len(), 3);
}

#[tokio::test]
async fn the_same_keys_once_more_are_no_change() {
    let keys = key_set(&[&Signer::es256("a")]);
    let server = KeyServer::start(Answer::keys(&keys)).await;
    let following = Following::start("same", at(server.url()));
    following.rounds(1).await;
    let first = following.generation();
    following.refreshed().await;
    assert_eq!(following.generation(), first);
    assert_eq!(following.lines("keys changed").len(), 1);
    assert_eq!(following.lines("keys confirmed")[0]["level"], "DEBUG");
}

#[tokio::test]
async fn keys_that_have_not_changed_are_confirmed_by_their_entity_tag() {
    let answer =
        |kid: &str, etag: &str| Answer::keys(&key_set(&[&Signer::es256(kid)])).with(ETAG, etag);
    let server = KeyServer::start(answer("a", "\"1\"")).await;
    let following = Following::start("etag", at(server.url()));
    following.rounds(1).await;
    let first = following.generation();
    following.refreshed().await;
    assert_eq!(following.fetches("unknown_kid", "not_modified"), 1);
    assert_eq!(following.usable_now(&["a"]), ["a"]);
    assert_eq!(following.generation(), first);

    server.set_keys(answer("b", "\"2\""));
    following.refreshed().await;
    following.refreshed().await;
    let tags: Vec<_> = server
        .seen()
        .into_iter()
        .map(|seen| seen.if_none_match)
        .collect();
    let tags: Vec<_> = tags.iter().map(Option::as_deref).collect();
    assert_eq!(tags, [None, Some("\"1\""), Some("\"1\""), Some("\"2\"")]);
    assert_eq!(following.usable_now(&["a", "b"]), ["b"]);
}

#[tokio::test]
async fn a_confirmation_lets_the_keys_live_longer() {
    let etag = Answer::keys(&key_set(&[&Signer::es256("a")])).with(ETAG, "\"1\"");
    let server = KeyServer::start(etag.clone().with(CACHE_CONTROL, "max-age=3600")).await;
    let following = Following::start("confirmed", at(server.url()));
    following.rounds(1).await;
    assert!(following.usable(&["a"], 4 * HOUR).is_empty());
    server.set_keys(etag.with(CACHE_CONTROL, "max-age=36000"));
    following.refreshed().await;
    assert_eq!(following.fetches("unknown_kid", "not_modified"), 1);
    assert_eq!(following.usable(&["a"], 4 * HOUR), ["a"]);
}

#[tokio::test]
async fn a_confirmation_of_keys_that_were_never_sent_is_a_failure() {
    let server = KeyServer::start(Answer::Status(304)).await;
    let following = Following::start("nothing-confirmed", at(server.url()));
    following.rounds(1).await;
    assert!(
        following.error().ends_with("answered 304"),
        "{}",
        following.error()
    );
    assert!(!following.ready.current().is_ready());
}

/// With this much time until the next fetch, keys can be used for `max_stale`, an hour, longer.
#[tokio::test]
async fn the_server_says_when_to_come_back_within_bounds() {
    let minutes = |minutes: u64| Duration::from_mins(minutes);
    let cases = [
        ("none", None, minutes(60)),
        ("longer", Some("max-age=7200"), minutes(120)),
        ("shorter", Some("max-age=600"), minutes(10)),
        ("too-long", Some("max-age=99999999"), minutes(24 * 60)),
        ("zero", Some("max-age=0"), Duration::ZERO),
        ("no-cache", Some("no-cache, max-age=600"), minutes(60)),
        ("no-store", Some("no-store"), minutes(60)),
    ];
    for (name, cache_control, interval) in cases {
        let mut answer = Answer::keys(&key_set(&[&Signer::es256("a")]));
        if let Some(value) = cache_control {
            answer = answer.with(CACHE_CONTROL, value);
        }
        let server = KeyServer::start(answer).await;
        let following = Following::start(name, at(server.url()));
        following.rounds(1).await;
        let (least, most) = (interval * 9 / 10, interval * 11 / 10);
        let still = following.usable(&["a"], (least + HOUR).saturating_sub(minutes(1)));
        assert_eq!(still, ["a"], "{name}");
        let then = following.usable(&["a"], most + HOUR + minutes(1));
        assert!(then.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn the_next_fetch_comes_by_itself() {
    let source = |server: &KeyServer| Source {
        refresh_interval: Duration::from_millis(30),
        ..at(server.url())
    };
    let (a, b) = (Signer::es256("a"), Signer::es256("b"));
    let server = KeyServer::start(Answer::keys(&key_set(&[&a]))).await;
    let following = Following::start("by-itself", source(&server));
    following.rounds(1).await;
    server.set_keys(Answer::keys(&key_set(&[&b])));
    soon(server.requests(3)).await;
    following.rounds(3).await;
    assert_eq!(following.usable_now(&["a", "b"]), ["b"]);
    assert_eq!(following.fetches("startup", "success"), 1);
    assert!(following.fetches("ttl", "success") >= 2);
    assert_eq!(following.fetches("unknown_kid", "success"), 0);
}

#[tokio::test]
async fn max_age_brings_the_next_fetch_forward() {
    let answer = Answer::keys(&key_set(&[&Signer::es256("a")])).with(CACHE_CONTROL, "max-age=0");
    let server = KeyServer::start(answer).await;
    let following = Following::start("forward", at(server.url()));
    soon(server.requests(3)).await;
    drop(following);
}

#[tokio::test]
async fn a_bad_key_among_good_ones_is_left_out_and_told_once() {
    let mut set = key_set(&[&Signer::es256("a"), &Signer::es256("b")]);
    let bad = json!({"kty": "EC", "crv": "P-256", "kid": "bad", "x": "AA", "y": "AA"});
    set["keys"].as_array_mut().unwrap().insert(1, bad);
    let server = KeyServer::start(Answer::keys(&set)).await;
    let following = Following::start("one-bad", at(server.url()));
    following.rounds(1).await;
    following.refreshed().await;
    assert_eq!(following.usable_now(&["a", "bad", "b"]), ["a", "b"]);
    let lines = following.lines("key skipped");
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (&line["jwks.at"], &line["jwks.kid"]),
        (&json!(1), &json!("bad"))
    );
    assert_eq!(line["level"], "WARN");
    assert!(!line["jwks.why"].as_str().unwrap().is_empty());
    assert_eq!(following.lines("keys changed")[0]["jwks.skipped"], 1);
}
