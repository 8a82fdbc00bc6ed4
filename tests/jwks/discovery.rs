//! The issuer's OpenID configuration names the URL of its keys.

use portcullis::sources::jwks::{Kind, Source};
use serde_json::json;

use crate::{
    following::{Following, source},
    server::{
        Answer, CONFIGURATION, KEYS, KeyServer,
        keys::{Signer, key_set},
    },
};

fn issuer(issuer: &str) -> Source {
    source(Kind::Discovery {
        issuer: issuer.into(),
    })
}

async fn server() -> KeyServer {
    KeyServer::start(Answer::keys(&key_set(&[&Signer::es256("a")]))).await
}

#[tokio::test]
async fn the_configuration_leads_to_the_keys() {
    let server = server().await;
    server.discoverable(&server.origin(), &server.url());
    let following = Following::start("discovered", issuer(&server.origin()));
    following.rounds(1).await;
    assert_eq!(following.usable_now(&["a"]), ["a"]);
    let paths: Vec<_> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, [CONFIGURATION, KEYS]);
}

#[tokio::test]
async fn the_configuration_must_name_the_very_issuer() {
    let server = server().await;
    let origin = server.origin();
    let slash = format!("{origin}/");
    let cases = [
        (&origin, &origin, true),
        (&slash, &slash, true),
        (&slash, &origin, false),
        (&origin, &slash, false),
        (&origin, &"https://other.example".to_owned(), false),
        (&origin, &String::new(), false),
    ];
    for (at, (configured, named, good)) in cases.into_iter().enumerate() {
        server.discoverable(named, &server.url());
        let following = Following::start(&format!("issuer-{at}"), issuer(configured));
        following.rounds(1).await;
        if good {
            assert_eq!(following.usable_now(&["a"]), ["a"], "{configured} {named}");
        } else {
            assert!(
                following.usable_now(&["a"]).is_empty(),
                "{configured} {named}"
            );
            let error = format!("that of `{named}`, not of `{configured}`");
            assert!(following.error().contains(&error), "{}", following.error());
        }
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_gives_no_key() {
    let server = server().await;
    let origin = server.origin();
    let text = |value: serde_json::Value| Answer::Text(value.to_string(), Vec::new());
    let uri = |uri: &str| text(json!({"issuer": origin, "jwks_uri": uri}));
    let cases = [
        (Answer::Status(500), "answered 500"),
        (
            Answer::Redirect(KEYS.to_owned()),
            "redirects are not followed",
        ),
        (Answer::Flood { announced: false }, "is larger than"),
        (
            Answer::Text("garbage".to_owned(), Vec::new()),
            "is not an OpenID configuration",
        ),
        (text(json!([])), "is not an OpenID configuration"),
        (text(json!({"issuer": origin})), "missing field `jwks_uri`"),
        (
            text(json!({"jwks_uri": server.url()})),
            "missing field `issuer`",
        ),
        (
            text(json!({"issuer": 1, "jwks_uri": server.url()})),
            "invalid type",
        ),
        (
            Answer::Text(
                format!(
                    "{{\"issuer\":\"{origin}\",\"issuer\":\"{origin}\",\"jwks_uri\":\"{}\"}}",
                    server.url()
                ),
                Vec::new(),
            ),
            "duplicate field",
        ),
        (uri("/jwks"), "not an absolute"),
        (uri("file:///etc/passwd"), "not an absolute"),
        (uri(""), "not an absolute"),
    ];
    for (at, (answer, error)) in cases.into_iter().enumerate() {
        server.set_configuration(answer.clone());
        let following = Following::start(&format!("configuration-{at}"), issuer(&origin));
        following.rounds(1).await;
        assert!(
            following.error().contains(error),
            "{answer:?}: {}",
            following.error()
        );
        assert!(following.usable_now(&["a"]).is_empty());
    }
    assert!(server.seen().iter().all(|seen| seen.path == CONFIGURATION));
}

#[tokio::test]
async fn keys_that_move_are_found_at_their_new_place() {
    let (here, there) = (server().await, server().await);
    there.set_keys(Answer::keys(&key_set(&[&Signer::es256("b")])));
    here.discoverable(&here.origin(), &here.url());
    let following = Following::start("moving", issuer(&here.origin()));
    following.rounds(1).await;
    assert_eq!(following.usable_now(&["a", "b"]), ["a"]);
    here.discoverable(&here.origin(), &there.url());
    following.refreshed().await;
    assert_eq!(following.usable_now(&["a", "b"]), ["b"]);
}

#[tokio::test]
async fn an_entity_tag_is_shown_only_to_the_url_it_came_from() {
    use axum::http::header::ETAG;
    let (here, there) = (server().await, server().await);
    for (server, kid) in [(&here, "a"), (&there, "b")] {
        // The tag is the same by chance.
        let keys = Answer::keys(&key_set(&[&Signer::es256(kid)]));
        server.set_keys(keys.with(ETAG, "\"1\""));
    }
    here.discoverable(&here.origin(), &here.url());
    let following = Following::start("tag-of-another", issuer(&here.origin()));
    following.rounds(1).await;
    following.refreshed().await;
    assert_eq!(following.fetches("unknown_kid", "not_modified"), 1);
    here.discoverable(&here.origin(), &there.url());
    following.refreshed().await;
    assert_eq!(there.seen()[0].if_none_match, None);
    assert_eq!(following.usable_now(&["a", "b"]), ["b"]);
}
