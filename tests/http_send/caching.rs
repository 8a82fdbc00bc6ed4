//! What is kept from one check to the next, and for how long.

use std::time::Duration;

use portcullis::clock::Clock;
use serde_json::{Value, json};

use crate::{
    Sender,
    backend::{Answer, Backend, text},
    get, get_with,
};

const SECOND: Duration = Duration::from_secs(1);

fn cached(url: &str) -> Value {
    get_with(url, json!({"cache": true}))
}

fn forced(url: &str, seconds: i64) -> Value {
    let more = json!({"force_cache": true, "force_cache_duration_seconds": seconds});
    get_with(url, more)
}

/// How often the backend is asked when the same is sent twice, `apart` from one another.
async fn asked(answer: Answer, request: impl Fn(&str) -> Value, apart: Duration) -> usize {
    let backend = Backend::start(answer).await;
    let sender = Sender::to(&[&backend.origin()]);
    let request = request(&backend.url("/"));
    sender.send(request.clone()).await.unwrap();
    sender.pass(apart);
    sender.send(request).await.unwrap();
    backend.count()
}

#[tokio::test]
async fn a_response_is_kept_only_if_the_policy_asks_for_it_and_the_response_allows_it() {
    let fresh = || text("a").with("cache-control", "max-age=60");
    assert_eq!(asked(fresh(), get, Duration::ZERO).await, 2);
    assert_eq!(asked(fresh(), cached, Duration::ZERO).await, 1);
    assert_eq!(asked(text("a"), cached, Duration::ZERO).await, 2);
}

#[tokio::test]
async fn a_response_is_fresh_as_long_as_it_says() {
    for (name, value) in [
        ("cache-control", "max-age=60"),
        ("cache-control", "private, Max-Age=\"60\""),
        ("cache-control", "public,max-age=60,immutable"),
    ] {
        let answer = || text("a").with(name, value);
        assert_eq!(asked(answer(), cached, 58 * SECOND).await, 1, "{value}");
        assert_eq!(asked(answer(), cached, 61 * SECOND).await, 2, "{value}");
    }
    let expires = || {
        text("a")
            .with("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .with("expires", "Sun, 06 Nov 1994 08:50:37 GMT")
    };
    // Made long ago, and so stale when it comes.
    assert_eq!(asked(expires(), cached, Duration::ZERO).await, 2);
    let aged = |age: &str| {
        text("a")
            .with("cache-control", "max-age=60")
            .with("age", age)
    };
    assert_eq!(asked(aged("50"), cached, 8 * SECOND).await, 1);
    assert_eq!(asked(aged("50"), cached, 11 * SECOND).await, 2);
    assert_eq!(
        asked(aged("18446744073709551615"), cached, Duration::ZERO).await,
        2
    );
    assert_eq!(asked(aged("old"), cached, Duration::ZERO).await, 2);
}

#[tokio::test]
async fn what_forbids_keeping_is_heard_in_any_case() {
    for control in [
        "no-store",
        "No-Store, max-age=60",
        "max-age=60, NO-CACHE",
        "max-age=60, no-cache=\"set-cookie\"",
        "max-age=0",
        "max-age=x",
        "max-age=-1",
        "max-age",
        "max-age=60, max-age=61",
    ] {
        let answer = text("a").with("cache-control", control);
        assert_eq!(asked(answer, cached, Duration::ZERO).await, 2, "{control}");
    }
    for (name, value) in [
        ("vary", "*"),
        ("vary", "a, *"),
        ("expires", "0"),
        ("pragma", "no-cache"),
    ] {
        let answer = text("a").with(name, value);
        assert_eq!(
            asked(answer, cached, Duration::ZERO).await,
            2,
            "{name}: {value}"
        );
    }
    let varies = text("a")
        .with("cache-control", "max-age=60")
        .with("vary", "*");
    assert_eq!(asked(varies, cached, Duration::ZERO).await, 2);
}

#[tokio::test]
async fn only_the_statuses_of_the_reference_are_kept() {
    for (status, asked_for) in [
        (200, 1),
        (203, 1),
        (204, 1),
        (206, 1),
        (300, 1),
        (301, 1),
        (404, 1),
        (405, 1),
        (410, 1),
        (414, 1),
        (501, 1),
        (201, 2),
        (302, 2),
        (307, 2),
        (400, 2),
        (401, 2),
        (403, 2),
        (429, 2),
        (500, 2),
        (502, 2),
        (503, 2),
    ] {
        let answer = text("").status(status).with("cache-control", "max-age=60");
        assert_eq!(
            asked(answer, cached, Duration::ZERO).await,
            asked_for,
            "{status}"
        );
        let force = |url: &str| forced(url, 60);
        assert_eq!(
            asked(text("").status(status), force, Duration::ZERO).await,
            asked_for,
            "{status}"
        );
    }
}

#[tokio::test]
async fn force_cache_replaces_what_the_response_says() {
    for control in ["no-store", "max-age=0", "max-age=600", "no-cache"] {
        let answer = || text("a").with("cache-control", control);
        let force = |url: &str| forced(url, 60);
        assert_eq!(asked(answer(), force, 59 * SECOND).await, 1, "{control}");
        assert_eq!(asked(answer(), force, 61 * SECOND).await, 2, "{control}");
    }
    // As in the reference: no positive time means that of the response.
    assert_eq!(
        asked(text("a"), |url| forced(url, 0), Duration::ZERO).await,
        2
    );
    let fresh = text("a").with("cache-control", "max-age=60");
    assert_eq!(asked(fresh, |url| forced(url, 0), Duration::ZERO).await, 1);
}

#[tokio::test]
async fn every_part_of_a_request_is_part_of_the_key_but_ignored_headers() {
    let backend = Backend::start(text("").with("cache-control", "max-age=60")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let url = backend.url("/");
    let with = |more: Value| {
        let mut request = cached(&url);
        for (key, value) in more.as_object().unwrap() {
            request[key] = value.clone();
        }
        request
    };
    let different = [
        with(json!({})),
        with(json!({"method": "POST"})),
        with(json!({"url": backend.url("/b")})),
        with(json!({"body": 1})),
        with(json!({"body": "1"})),
        with(json!({"raw_body": "1"})),
        with(json!({"headers": {"authorization": "Bearer a"}})),
        with(json!({"headers": {"authorization": "Bearer b"}})),
        with(json!({"headers": {"a": "1", "b": "1"}, "cache_ignored_headers": ["b"]})),
    ];
    for (at, request) in different.iter().enumerate() {
        for _ in 0..2 {
            sender.send(request.clone()).await.unwrap();
        }
        assert_eq!(backend.count(), at + 1, "{request}");
    }
    let same = with(json!({"headers": {"a": "1", "b": "2"}, "cache_ignored_headers": ["b"]}));
    sender.send(same).await.unwrap();
    let same = with(json!({"headers": {"a": "1"}}));
    sender.send(same).await.unwrap();
    assert_eq!(backend.count(), different.len());
}

#[tokio::test]
async fn a_stale_response_is_confirmed_by_its_validators() {
    // As the backend's clock says it.
    let date = |ahead: Duration| {
        let now = std::time::UNIX_EPOCH + Clock::System.now().unix + ahead;
        httpdate::fmt_http_date(now)
    };
    let answer = |tag: &str| {
        let answer = text("a")
            .with("cache-control", "max-age=60")
            .with("x-round", tag);
        answer
            .with("etag", tag)
            .with("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")
    };
    let backend = Backend::start(answer("\"1\"")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let request = cached(&backend.url("/"));
    sender.send(request.clone()).await.unwrap();
    backend.set(answer("\"1\"").with("date", &date(61 * SECOND)));
    sender.pass(61 * SECOND);
    let response = sender.send(request.clone()).await.unwrap();
    assert_eq!(response["status_code"], 200);
    assert_eq!(response["raw_body"], "a");
    assert_eq!(sender.count("revalidated"), 1);
    let seen = &backend.seen()[1];
    assert_eq!(seen.header("if-none-match"), Some("\"1\""));
    assert_eq!(
        seen.header("if-modified-since"),
        Some("Sun, 06 Nov 1994 08:49:37 GMT")
    );
    // Fresh again, with the headers of the 304.
    sender.pass(57 * SECOND);
    sender.send(request.clone()).await.unwrap();
    assert_eq!(backend.count(), 2);
    // Another one has come.
    backend.set(answer("\"2\""));
    sender.pass(4 * SECOND);
    let response = sender.send(request).await.unwrap();
    assert_eq!(response["headers"]["x-round"], json!(["\"2\""]));
    assert_eq!(
        (sender.count("revalidated"), sender.count("fetched")),
        (1, 2)
    );
}

#[tokio::test]
async fn a_request_that_wants_a_new_response_gets_one() {
    let with = |control: &'static str| {
        move |url: &str| {
            get_with(
                url,
                json!({"cache": true, "headers": {"cache-control": control}}),
            )
        }
    };
    let fresh = || text("a").with("cache-control", "max-age=60");
    assert_eq!(asked(fresh(), with("no-cache"), Duration::ZERO).await, 2);
    assert_eq!(asked(fresh(), with("no-store"), Duration::ZERO).await, 2);
    assert_eq!(asked(fresh(), with("x"), Duration::ZERO).await, 1);
}

#[tokio::test]
async fn a_response_that_is_not_fresh_any_more_takes_the_old_one_away() {
    let backend = Backend::start(text("a").with("cache-control", "max-age=60")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let request = cached(&backend.url("/"));
    sender.send(request.clone()).await.unwrap();
    backend.set(text("b").with("cache-control", "no-store"));
    sender.pass(61 * SECOND);
    assert_eq!(sender.body(request.clone()).await, "b");
    assert_eq!(sender.body(request).await, "b");
    assert_eq!(backend.count(), 3);
}

#[tokio::test]
async fn no_more_is_kept_than_allowed() {
    let backend =
        Backend::start(text(&"x".repeat(10_000)).with("cache-control", "max-age=60")).await;
    let bounded = Sender::with(&[&backend.origin()], |options| options.cache_bytes = 9_000);
    let request = cached(&backend.url("/"));
    for _ in 0..2 {
        bounded.send(request.clone()).await.unwrap();
    }
    assert_eq!(backend.count(), 2);
    let roomy = Sender::with(&[&backend.origin()], |options| options.cache_bytes = 90_000);
    for _ in 0..2 {
        roomy.send(request.clone()).await.unwrap();
    }
    assert_eq!(backend.count(), 3);
}

#[tokio::test]
async fn a_failure_is_never_kept() {
    let backend = Backend::start(Answer::HangUp).await;
    let sender = Sender::to(&[&backend.origin()]);
    let request = forced(&backend.url("/"), 60);
    assert!(sender.send(request.clone()).await.is_err());
    backend.set(text("back"));
    assert_eq!(sender.body(request).await, "back");
}
