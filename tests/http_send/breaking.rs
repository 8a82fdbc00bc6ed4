//! A host that fails is left alone, and tried again.

use std::time::Duration;

use crate::{
    Sender,
    backend::{Answer, Backend, text},
    get,
};

const DELAY: Duration = Duration::from_secs(5);

fn sender(backends: &[&Backend], failures: u32) -> Sender {
    let origins: Vec<String> = backends.iter().map(|backend| backend.origin()).collect();
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    Sender::with(&origins, |options| {
        options.breaker.failures = failures;
        options.breaker.delay = DELAY;
        options.timeout = Duration::from_millis(50);
    })
}

fn open(sender: &Sender, backend: &Backend) -> u64 {
    let host = backend.origin();
    sender.sample(&format!(
        "portcullis_http_send_breaker_open{{host=\"{host}\"}}"
    ))
}

#[tokio::test]
async fn after_some_failures_a_host_is_left_alone_then_tried_once_then_used_again() {
    let (backend, other) = (
        Backend::start(Answer::HangUp).await,
        Backend::start(text("other")).await,
    );
    let sender = sender(&[&backend, &other], 3);
    let request = get(&backend.url("/"));
    for _ in 0..3 {
        assert_eq!(open(&sender, &backend), 0);
        assert!(sender.send(request.clone()).await.is_err());
        sender.pass(DELAY / 2);
    }
    assert_eq!(open(&sender, &backend), 1);
    let error = sender.send(request.clone()).await.unwrap_err();
    let origin = backend.origin();
    assert_eq!(
        error,
        format!("`{origin}` has failed too often and is left alone for a while")
    );
    assert_eq!((backend.count(), sender.count("breaker_open")), (3, 1));
    // Others are not touched.
    assert_eq!(sender.body(get(&other.url("/"))).await, "other");
    assert_eq!(open(&sender, &other), 0);

    sender.pass(DELAY);
    assert!(sender.send(request.clone()).await.is_err());
    assert_eq!(backend.count(), 4);
    assert_eq!(open(&sender, &backend), 1);
    backend.set(text("back"));
    assert_eq!(sender.body(request.clone()).await, "back");
    assert_eq!(sender.body(request).await, "back");
    assert_eq!(open(&sender, &backend), 0);
}

#[tokio::test]
async fn a_time_out_is_a_failure() {
    let backend = Backend::start(Answer::Stall).await;
    let sender = sender(&[&backend], 2);
    let request = get(&backend.url("/"));
    for _ in 0..2 {
        assert_eq!(open(&sender, &backend), 0);
        let error = sender.send(request.clone()).await.unwrap_err();
        assert!(error.ends_with("request timed out"), "{error}");
        sender.pass(DELAY / 2);
    }
    drop(sender.send(request).await);
    assert_eq!(open(&sender, &backend), 1);
}

#[tokio::test]
async fn a_host_that_got_no_time_has_not_failed() {
    let backend = Backend::start(Answer::Stall).await;
    let sender = sender(&[&backend], 2);
    let request = get(&backend.url("/"));
    for _ in 0..4 {
        let answer = sender
            .send_within(request.clone(), Duration::from_millis(1))
            .await;
        assert!(answer.is_err());
        sender.pass(DELAY / 2);
    }
    assert_eq!(open(&sender, &backend), 0);
}

#[tokio::test]
async fn a_response_is_no_failure_whatever_it_says() {
    let backend = Backend::start(text("").status(500)).await;
    let sender = sender(&[&backend], 1);
    for answer in [
        text("").status(500),
        text("").status(403),
        Answer::Flood { announced: true },
    ] {
        backend.set(answer);
        drop(sender.send(get(&backend.url("/"))).await);
        assert_eq!(open(&sender, &backend), 0);
    }
}

#[tokio::test]
async fn a_host_that_takes_no_connections_is_left_alone_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let sender = Sender::with(&[&url], |options| options.breaker.failures = 2);
    for alone in [false, false, true] {
        let error = sender.send(get(&url)).await.unwrap_err();
        assert_eq!(error.contains("left alone"), alone, "{error}");
    }
}

#[tokio::test]
async fn a_caller_that_has_connections_broken_does_not_shut_the_host_out_for_others() {
    for (others, opened) in [(true, 0), (false, 1)] {
        let backend = Backend::start(text("here")).await;
        let sender = sender(&[&backend], 3);
        for nth in 0..8 {
            backend.set(Answer::HangUp);
            for bad in 0..5 {
                let url = backend.url(&format!("/{nth}/{bad}"));
                assert!(sender.send(get(&url)).await.is_err());
            }
            sender.pass(DELAY / 5);
            backend.set(text("here"));
            if others {
                assert_eq!(sender.body(get(&backend.url("/good"))).await, "here");
            }
        }
        assert_eq!(open(&sender, &backend), opened);
        assert_eq!(sender.count("breaker_open") > 0, !others);
    }
}
