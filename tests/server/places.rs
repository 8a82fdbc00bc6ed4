//! The places for connections: who has one is answered, who does not speak loses it.

use std::time::Duration;

use crate::support::{
    Running,
    client::{self, allows, request},
    soon,
    wire::{PREFACE, Wire},
};

const ACCEPTED: &str = "portcullis_connections_accepted_total";

/// Time that is long enough for a caller with something to say.
const SHORT: Duration = Duration::from_millis(500);

type Caller = envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient<
    tonic::transport::Channel,
>;

async fn caller(server: &Running) -> Caller {
    Caller::new(client::channel(&server.grpc).await)
}

/// Both twins, over a connection that stays open.
async fn is_answered(caller: &mut Caller) {
    for (service, allowed) in [("friend", true), ("stranger", false)] {
        let answer = soon(caller.check(request(service))).await.unwrap();
        assert_eq!(allows(answer.get_ref()), allowed, "{service}");
    }
}

#[tokio::test]
async fn callers_that_never_speak_give_their_places_back() {
    let server = Running::start(|config| {
        config.portcullis.http2.max_connections = 3;
        config.portcullis.http2.keepalive_timeout = SHORT;
    })
    .await;
    let mut spoke = caller(&server).await;
    is_answered(&mut spoke).await;
    let mut silent = Wire::silent(&server.grpc).await;
    let mut stuck = Wire::silent(&server.grpc).await;
    stuck.send(&PREFACE[..PREFACE.len() - 1]).await.unwrap();
    server.reaches(ACCEPTED, 3).await;

    // There is no place left: only what was cut off can let this caller in.
    soon(client::check(&server.grpc)).await.unwrap();
    silent.cut_off().await;
    stuck.cut_off().await;
    // Whoever has spoken may be idle for as long as it likes.
    is_answered(&mut spoke).await;
    assert_eq!(server.count(ACCEPTED), 4);
}

#[tokio::test]
async fn callers_above_the_limit_wait_for_a_place_while_the_others_are_answered() {
    let server = Running::start(|config| config.portcullis.http2.max_connections = 2).await;
    let (mut first, mut second) = (caller(&server).await, caller(&server).await);
    let grpc = server.grpc.clone();
    let third = tokio::spawn(async move { client::check(&grpc).await });
    for _ in 0..100 {
        is_answered(&mut first).await;
        is_answered(&mut second).await;
    }
    assert_eq!(server.count(ACCEPTED), 2);
    assert!(!third.is_finished(), "it has no place");
    drop(first);
    soon(third).await.unwrap().unwrap();
    assert_eq!(server.count(ACCEPTED), 3);
    is_answered(&mut second).await;
}
