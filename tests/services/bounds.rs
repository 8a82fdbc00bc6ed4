//! Answers that are late, slow, cut off or too long.

use std::time::Duration;

use portcullis::services::{Client, Get, Service, ServiceError};
use reqwest::header::HeaderMap;

use crate::{
    LONG, THING, ask,
    bundles::{Answer, BundleServer, FLOOD},
    client, failure, service,
};

const SHORT: Duration = Duration::from_millis(50);

fn patient(server: &BundleServer, patience: Duration) -> Client {
    client(Service {
        response_header_timeout: patience,
        ..service(server)
    })
}

fn get(wait: Duration, most: u64) -> Get<'static> {
    Get {
        resource: "thing",
        headers: HeaderMap::new(),
        wait,
        most,
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_is_given_up() {
    let server = BundleServer::start().await;
    server.set(THING, Answer::Stall);
    let error = failure(ask(&patient(&server, SHORT)).await);
    assert!(error.contains("the head of the answer"), "{error}");
    assert!(error.contains("within 0.05 s"), "{error}");
}

#[tokio::test]
async fn without_a_time_there_is_more_than_enough() {
    let server = BundleServer::start().await;
    server.set(THING, Answer::Drip(b"it".to_vec(), SHORT));
    let client = patient(&server, Duration::ZERO);
    assert_eq!(ask(&client).await.unwrap().body, "it");
}

#[tokio::test]
async fn who_may_hold_a_request_is_waited_for() {
    let server = BundleServer::start().await;
    server.set(THING, Answer::ok("it"));
    server.hold();
    let client = patient(&server, SHORT);
    let late = async {
        // One has been given up by now, while the other is held.
        assert!(failure(ask(&client).await).contains("the head of the answer"));
        server.requests(THING, 2).await;
        server.release();
    };
    let (held, ()) = tokio::join!(client.get(get(LONG, 2)), late);
    assert_eq!(held.unwrap().body, "it");
}

#[tokio::test]
async fn a_body_may_be_slow_but_not_stop() {
    let server = BundleServer::start().await;
    // Longer as a whole than the time for one piece.
    server.set(
        THING,
        Answer::Drip(b"slowly".repeat(20), Duration::from_millis(5)),
    );
    let slow = ask(&patient(&server, Duration::from_millis(500))).await;
    assert_eq!(slow.unwrap().body.len(), 120);
    server.set(THING, Answer::StallAfter(b"begin".to_vec()));
    let error = failure(ask(&patient(&server, SHORT)).await);
    assert!(error.contains("the next piece of the answer"), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let server = BundleServer::start().await;
    let client = client(service(&server));
    for broken in [Answer::Truncated(b"abc".to_vec()), Answer::HangUp] {
        server.set(THING, broken.clone());
        let answer = ask(&client).await;
        assert!(
            matches!(answer, Err(ServiceError::Transport { .. })),
            "{broken:?}"
        );
        let error = failure(answer);
        assert!(
            error.contains("no whole answer from `http://localhost:"),
            "{error}"
        );
    }
    server.set(THING, Answer::ok("abc"));
    assert_eq!(ask(&client).await.unwrap().body, "abc");
}

#[tokio::test]
async fn a_server_that_is_gone_is_asked_anew_when_it_is_back() {
    let server = BundleServer::start().await;
    server.set(THING, Answer::ok("it"));
    let client = client(service(&server));
    assert!(ask(&client).await.is_ok());
    server.go_away().await;
    let error = ask(&client).await.unwrap_err();
    assert!(matches!(error, ServiceError::Transport { .. }), "{error}");
    assert!(!error.is_preparation());
    server.come_back().await;
    assert_eq!(ask(&client).await.unwrap().body, "it");
}

#[tokio::test]
async fn no_more_is_read_than_may_be() {
    let server = BundleServer::start().await;
    let client = client(service(&server));
    server.set(THING, Answer::ok("12345"));
    assert_eq!(client.get(get(LONG, 5)).await.unwrap().body, "12345");
    let error = failure(client.get(get(LONG, 4)).await);
    assert!(error.contains("is longer than 4 bytes"), "{error}");
    for announced in [true, false] {
        let before = server.flooded();
        server.set(THING, Answer::Flood { announced });
        let answer = client.get(get(LONG, 1 << 20)).await;
        assert!(matches!(
            answer,
            Err(ServiceError::TooLarge {
                most: 1_048_576,
                ..
            })
        ));
        assert!(
            server.flooded() - before < FLOOD / 2,
            "announced: {announced}"
        );
    }
}

#[tokio::test]
async fn what_is_announced_too_long_is_not_waited_for() {
    let server = BundleServer::start().await;
    server.set(THING, Answer::Drip(b"12345".to_vec(), LONG));
    let client = patient(&server, SHORT);
    let error = failure(client.get(get(LONG, 4)).await);
    assert!(error.contains("is longer than 4 bytes"), "{error}");
    let error = failure(client.get(get(LONG, 5)).await);
    assert!(error.contains("the next piece of the answer"), "{error}");
}
