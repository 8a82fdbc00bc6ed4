//! What readiness waits for, and sources that need no fetching.

use std::sync::Arc;

use portcullis::{
    identity::jwt::KeySet,
    ready::Readiness,
    sources::jwks::{Kind, Source},
};

use crate::{
    following::{Following, HOUR, at, source},
    server::{
        Answer, KeyServer,
        keys::{Signer, key_set},
    },
};

#[tokio::test]
async fn a_required_provider_is_waited_for_until_it_has_keys() {
    let server = KeyServer::start(Answer::Status(500)).await;
    let following = Following::start("required", at(server.url()));
    following.rounds(1).await;
    server.set_keys(Answer::keys(&key_set(&[])));
    following.refreshed().await;
    let pending = Readiness::Pending(vec!["jwks:required".to_owned()]);
    assert_eq!(following.ready.current(), pending);
    server.set_keys(Answer::keys(&key_set(&[&Signer::es256("a")])));
    following.is_ready().await;
    // Later failures do not take it back.
    server.set_keys(Answer::Status(500));
    following.refreshed().await;
    assert_eq!(following.ready.current(), Readiness::Ready);
}

#[tokio::test]
async fn another_provider_is_waited_for_until_it_was_tried() {
    let server = KeyServer::start(Answer::Stall).await;
    let mut source = Source {
        required: false,
        ..at(server.url())
    };
    source.http.timeout = std::time::Duration::from_millis(300);
    let following = Following::start("optional", source);
    assert!(!following.ready.current().is_ready());
    following.is_ready().await;
    assert!(following.usable_now(&["a"]).is_empty());
}

#[tokio::test]
async fn keys_in_the_configuration_are_there_at_once_and_for_ever() {
    let text = key_set(&[&Signer::es256("a")]).to_string();
    let set = KeySet::parse(text.as_bytes()).unwrap();
    let following = Following::start("inline", source(Kind::Inline(Arc::new(set))));
    assert!(following.ready.current().is_ready());
    assert_eq!(following.usable(&["a", "b"], 100_000 * HOUR), ["a"]);
    assert_eq!(following.metric("portcullis_jwks_keys{{}}"), Some(1.0));
}

#[tokio::test]
async fn a_secret_needs_no_keys() {
    let following = Following::start("secret", source(Kind::Secret));
    assert!(following.ready.current().is_ready());
    assert!(following.usable_now(&["a"]).is_empty());
}
