//! Equal requests share one fetch, which belongs to nobody.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use portcullis::clock::Clock;
use serde_json::{Value, json};

use crate::{
    Sender,
    backend::{Answer, Backend, text},
    get, get_with,
};

fn cached(url: &str) -> Value {
    get_with(url, json!({"cache": true}))
}

#[tokio::test]
async fn equal_requests_at_the_same_time_are_one() {
    let backend = Backend::start(text("a").with("cache-control", "max-age=60")).await;
    backend.hold();
    let sender = Sender::to(&[&backend.origin()]);
    let request = cached(&backend.url("/"));
    let all = join_all((0..50).map(|_| sender.body(request.clone())));
    let release = async {
        backend.requests(1).await;
        backend.release();
    };
    let (bodies, ()) = tokio::join!(all, release);
    assert!(bodies.iter().all(|body| body == "a"));
    assert_eq!(backend.count(), 1);
    assert_eq!(
        sender.count("fetched") + sender.count("joined") + sender.count("cached"),
        50
    );
    assert_eq!(sender.count("fetched"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn equal_requests_of_many_threads_are_one_for_each_life_of_the_response() {
    let backend = Backend::start(text("a").with("cache-control", "max-age=60")).await;
    let sender = Arc::new(Sender::to(&[&backend.origin()]));
    for round in 1..=20 {
        let all = (0..16).map(|_| {
            let (sender, request) = (Arc::clone(&sender), cached(&backend.url("/")));
            tokio::spawn(async move { sender.body(request).await })
        });
        for body in join_all(all).await {
            assert_eq!(body.unwrap(), "a");
        }
        assert_eq!(backend.count(), round);
        sender.pass(Duration::from_secs(61));
        // Its clock goes with ours.
        let date = std::time::UNIX_EPOCH + Clock::System.now().unix;
        let date = date + Duration::from_secs(61) * u32::try_from(round).unwrap();
        let answer = text("a").with("cache-control", "max-age=60");
        backend.set(answer.with("date", &httpdate::fmt_http_date(date)));
    }
}

#[tokio::test]
async fn requests_that_may_not_share_a_response_are_sent_each() {
    let backend = Backend::start(text("a").with("cache-control", "max-age=60")).await;
    backend.hold();
    let sender = Sender::to(&[&backend.origin()]);
    let request = get(&backend.url("/"));
    let all = join_all((0..5).map(|_| sender.body(request.clone())));
    let release = async {
        backend.requests(5).await;
        backend.release();
    };
    tokio::join!(all, release);
    assert_eq!(backend.count(), 5);
}

#[tokio::test]
async fn a_fetch_goes_on_when_the_check_that_began_it_is_gone() {
    let backend = Backend::start(text("a").with("cache-control", "max-age=60")).await;
    backend.hold();
    let sender = Arc::new(Sender::to(&[&backend.origin()]));
    let request = cached(&backend.url("/"));
    let (first, asked) = (Arc::clone(&sender), request.clone());
    let gone = tokio::spawn(async move { first.body(asked).await });
    backend.requests(1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let joined = sender.body(request);
    let release = async { backend.release() };
    let (body, ()) = tokio::join!(joined, release);
    assert_eq!(body, "a");
    assert_eq!(backend.count(), 1);
    assert_eq!(sender.count("fetched"), 0);
}

#[tokio::test]
async fn who_has_less_time_leaves_earlier_and_the_others_get_it() {
    let backend = Backend::start(text("a").with("cache-control", "max-age=60")).await;
    backend.hold();
    let sender = Sender::to(&[&backend.origin()]);
    let request = cached(&backend.url("/"));
    let error = sender
        .send_within(request.clone(), Duration::from_millis(20))
        .await;
    assert!(error.unwrap_err().ends_with("request timed out"));
    backend.release();
    assert_eq!(sender.body(request).await, "a");
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn a_failure_is_shared_and_the_next_request_tries_anew() {
    let backend = Backend::start(Answer::HangUp).await;
    backend.hold();
    let sender = Sender::to(&[&backend.origin()]);
    let request = cached(&backend.url("/"));
    let all = join_all((0..5).map(|_| sender.send(request.clone())));
    let release = async {
        backend.requests(1).await;
        backend.release();
    };
    let (answers, ()) = tokio::join!(all, release);
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(backend.count(), 1);
    backend.set(text("back"));
    assert_eq!(sender.body(request).await, "back");
}
