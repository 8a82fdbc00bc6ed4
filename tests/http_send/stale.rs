//! Old responses in place of new ones that do not come.

use std::time::Duration;

use portcullis::http_send::MOST_STALE;
use serde_json::{Value, json};

use crate::{
    Sender,
    backend::{Answer, Backend, text},
    get_with,
};

const MINUTE: Duration = Duration::from_mins(1);

fn cached(url: &str) -> Value {
    get_with(url, json!({"cache": true}))
}

fn old(control: &str) -> Answer {
    text("old").with("cache-control", control)
}

/// What comes when `first` was kept for a minute and a half, and then `second` is answered.
async fn later(
    first: Answer,
    second: Answer,
    stale_if_error: Option<Duration>,
    after: Duration,
) -> Result<Value, String> {
    let backend = Backend::start(first).await;
    let sender = Sender::with(&[&backend.origin()], |options| {
        options.stale_if_error = stale_if_error;
        options.timeout = Duration::from_millis(100);
    });
    let request = cached(&backend.url("/"));
    sender.send(request.clone()).await.unwrap();
    backend.set(second);
    sender.pass(after);
    let answer = sender.send(request).await;
    let stale = answer
        .as_ref()
        .is_ok_and(|response| response["raw_body"] == "old");
    assert_eq!(sender.count("stale"), u64::from(stale));
    answer
}

fn is_old(answer: &Result<Value, String>) -> bool {
    answer
        .as_ref()
        .is_ok_and(|response| response["raw_body"] == "old")
}

#[tokio::test]
async fn by_default_only_who_made_the_response_can_say_that_it_may_be_stale() {
    let after = 2 * MINUTE;
    let fails = || Answer::HangUp;
    assert!(
        later(old("max-age=60"), fails(), None, after)
            .await
            .is_err()
    );
    let said = "max-age=60, stale-if-error=120";
    assert!(is_old(&later(old(said), fails(), None, after).await));
    assert!(
        later(old(said), fails(), None, 3 * MINUTE + MINUTE / 60)
            .await
            .is_err()
    );
    // Whatever it says, not for longer than the operator knows of.
    let said = "max-age=60, stale-if-error=999999";
    assert!(is_old(
        &later(old(said), fails(), None, MOST_STALE + MINUTE / 2).await
    ));
    assert!(
        later(old(said), fails(), None, MINUTE + MOST_STALE + MINUTE / 60)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_operator_can_say_more_or_less() {
    let (fails, after) = (|| Answer::HangUp, 2 * MINUTE);
    assert!(is_old(
        &later(old("max-age=60"), fails(), Some(10 * MINUTE), 10 * MINUTE).await
    ));
    assert!(
        later(old("max-age=60"), fails(), Some(10 * MINUTE), 12 * MINUTE)
            .await
            .is_err()
    );
    let said = "max-age=60, stale-if-error=120";
    assert!(
        later(old(said), fails(), Some(Duration::ZERO), after)
            .await
            .is_err()
    );
    assert!(
        later(old(said), fails(), Some(10 * MINUTE), 4 * MINUTE)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn whatever_keeps_a_new_response_from_coming_is_an_error() {
    let always = Some(10 * MINUTE);
    let no_response = [
        Answer::HangUp,
        Answer::Stall,
        Answer::StallWithin,
        Answer::Flood { announced: true },
        Answer::Flood { announced: false },
        text("").status(500),
        text("").status(503),
    ];
    for wrong in no_response {
        let answer = later(old("max-age=60"), wrong.clone(), always, 2 * MINUTE).await;
        assert!(is_old(&answer), "{wrong:?}: {answer:?}");
    }
    for status in [200, 201, 302, 401, 403, 404, 501] {
        let answer = later(
            old("max-age=60"),
            text("new").status(status),
            always,
            2 * MINUTE,
        )
        .await;
        assert_eq!(answer.unwrap()["raw_body"], "new", "{status}");
    }
}

#[tokio::test]
async fn what_must_be_confirmed_is_never_served_stale() {
    for control in [
        "max-age=60, must-revalidate",
        "max-age=60, Must-Revalidate, stale-if-error=600",
        "max-age=60, no-cache",
        "no-store",
    ] {
        let answer = later(old(control), Answer::HangUp, Some(10 * MINUTE), 2 * MINUTE).await;
        assert!(answer.is_err(), "{control}: {answer:?}");
    }
}

#[tokio::test]
async fn a_stale_response_comes_while_there_is_time_to_use_it() {
    let backend = Backend::start(old("max-age=60")).await;
    let sender = Sender::with(&[&backend.origin()], |options| {
        options.stale_if_error = Some(10 * MINUTE);
    });
    let request = cached(&backend.url("/"));
    sender.send(request.clone()).await.unwrap();
    backend.set(Answer::Stall);
    sender.pass(2 * MINUTE);
    let began = std::time::Instant::now();
    let budget = Duration::from_millis(400);
    let answer = sender.send_within(request, budget).await;
    assert!(is_old(&answer), "{answer:?}");
    assert!(began.elapsed() < budget, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_fetch_that_has_taken_too_long_already_is_not_waited_for_again() {
    let backend = Backend::start(old("max-age=60")).await;
    let sender = Sender::with(&[&backend.origin()], |options| {
        options.stale_if_error = Some(10 * MINUTE);
        options.timeout = MINUTE;
    });
    let request = cached(&backend.url("/"));
    sender.send(request.clone()).await.unwrap();
    backend.set(Answer::Stall);
    sender.pass(2 * MINUTE);
    let budget = Duration::from_millis(400);
    assert!(is_old(&sender.send_within(request.clone(), budget).await));
    let began = std::time::Instant::now();
    for _ in 0..20 {
        assert!(is_old(&sender.send_within(request.clone(), budget).await));
    }
    assert!(began.elapsed() < budget, "{:?}", began.elapsed());
    assert_eq!(backend.count(), 2);
}

#[tokio::test]
async fn a_stale_response_stands_in_while_the_host_is_left_alone() {
    let backend = Backend::start(old("max-age=60")).await;
    let sender = Sender::with(&[&backend.origin()], |options| {
        options.stale_if_error = Some(10 * MINUTE);
        options.breaker.failures = 1;
        options.breaker.delay = 5 * MINUTE;
    });
    let request = cached(&backend.url("/"));
    sender.send(request.clone()).await.unwrap();
    let origin = backend.origin();
    drop(backend);
    sender.pass(2 * MINUTE);
    for _ in 0..3 {
        assert!(is_old(&sender.send(request.clone()).await));
    }
    let open = format!("portcullis_http_send_breaker_open{{host=\"{origin}\"}}");
    assert_eq!((sender.sample(&open), sender.count("stale")), (1, 3));
}
