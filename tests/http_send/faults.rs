//! Backends that hang, flood or are many: each call ends at its deadline and within its bounds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::dns::{Name, Resolve, Resolving};
use serde_json::json;

use crate::{
    Sender,
    backend::{Answer, Backend, FLOOD, text},
    get, get_with,
};

/// Bytes that may be on their way when the reader has gone.
const IN_FLIGHT: usize = 24 << 20;
/// How late an end may come on a machine that is busy.
const SLACK: Duration = Duration::from_millis(250);

#[tokio::test]
async fn a_backend_that_hangs_ends_at_the_deadline() {
    let budget = Duration::from_millis(60);
    for wrong in [Answer::Stall, Answer::StallWithin] {
        for more in [
            json!({}),
            json!({"cache": true}),
            json!({"max_retry_attempts": 5}),
        ] {
            let backend = Backend::start(wrong.clone()).await;
            let sender = Sender::to(&[&backend.origin()]);
            let began = Instant::now();
            let request = get_with(&backend.url("/"), more);
            let error = sender.send_within(request, budget).await.unwrap_err();
            assert!(error.ends_with("request timed out"), "{error}");
            let took = began.elapsed();
            assert!((budget..budget + SLACK).contains(&took), "{took:?}");
        }
    }
}

/// Never finds anything.
struct Lost;

impl Resolve for Lost {
    fn resolve(&self, _name: Name) -> Resolving {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_name_that_is_never_resolved_ends_at_the_deadline() {
    let sender = Sender::resolving(&["a.b"], Arc::new(Lost));
    let (began, budget) = (Instant::now(), Duration::from_millis(60));
    let answer = sender.send_within(get("http://a.b/"), budget).await;
    assert!(answer.unwrap_err().ends_with("request timed out"));
    assert!(began.elapsed() < budget + SLACK);
}

#[tokio::test]
async fn a_deadline_that_is_over_sends_nothing_for_long() {
    let backend = Backend::start(Answer::Stall).await;
    let sender = Sender::to(&[&backend.origin()]);
    let began = Instant::now();
    assert!(
        sender
            .send_within(get(&backend.url("/")), Duration::ZERO)
            .await
            .is_err()
    );
    assert!(began.elapsed() < SLACK);
}

#[tokio::test]
async fn a_response_is_read_up_to_its_bound_and_no_further() {
    for announced in [true, false] {
        let backend = Backend::start(Answer::Flood { announced }).await;
        let sender = Sender::to(&[&backend.origin()]);
        let error = sender.send(get(&backend.url("/"))).await.unwrap_err();
        assert!(error.ends_with("is larger than 1048576 bytes"), "{error}");
        assert_eq!(sender.count("too_large"), 1);
        assert!(
            backend.flooded() < IN_FLIGHT,
            "{} of {FLOOD}",
            backend.flooded()
        );
    }
    let backend = Backend::start(text(&"x".repeat(2048))).await;
    for (most, fits) in [(2048, true), (2047, false)] {
        let sender = Sender::with(&[&backend.origin()], |options| {
            options.max_response_bytes = most;
        });
        assert_eq!(sender.send(get(&backend.url("/"))).await.is_ok(), fits);
    }
}

#[tokio::test]
async fn headers_are_bounded_too() {
    let backend = Backend::start(text("").with("x-long", &"x".repeat(70_000))).await;
    let sender = Sender::to(&[&backend.origin()]);
    let error = sender.send(get(&backend.url("/"))).await.unwrap_err();
    assert!(error.contains("the header of"), "{error}");
}

#[tokio::test]
async fn yaml_that_repeats_itself_is_no_body() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (last, name) in "abcdefghijk".chars().zip("bcdefghijkl".chars()) {
        let row = [format!("*{last}").as_str(); 10].join(", ");
        bomb.extend([format!("{name}: &{name} [{row}]\n")]);
    }
    let backend = Backend::start(text(&bomb).with("content-type", "application/yaml")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let response = sender.send(get(&backend.url("/"))).await.unwrap();
    assert_eq!(response["body"], json!(null));
}

#[tokio::test]
async fn no_more_is_under_way_at_once_than_allowed() {
    for bound in ["host", "all"] {
        let backend = Backend::start(Answer::Stall).await;
        let sender = Sender::with(&[&backend.origin()], |options| match bound {
            "host" => options.max_in_flight_per_host = 3,
            _ => options.max_in_flight = 3,
        });
        let url = backend.url("/");
        let within = |millis| sender.send_within(get(&url), Duration::from_millis(millis));
        let first = join_all((0..3).map(|_| within(600)));
        let others = async {
            backend.requests(3).await;
            join_all((0..7).map(|_| within(80))).await
        };
        let (_, answers) = tokio::join!(first, others);
        for answer in answers {
            let error = answer.unwrap_err();
            assert!(error.contains("too many requests"), "{bound}: {error}");
        }
        assert_eq!(backend.count(), 3, "{bound}");
        assert_eq!(sender.count("overloaded"), 7);
    }
}

#[tokio::test]
async fn a_slow_host_leaves_room_for_the_others() {
    let slow = Backend::start(Answer::Stall).await;
    let quick = Backend::start(text("quick")).await;
    let sender = Sender::with(&[&slow.origin(), &quick.origin()], |options| {
        options.max_in_flight = 4;
        options.max_in_flight_per_host = 3;
    });
    let url = slow.url("/");
    let stuck =
        join_all((0..20).map(|_| sender.send_within(get(&url), Duration::from_millis(300))));
    let others = async {
        slow.requests(3).await;
        let body = sender.body(get(&quick.url("/"))).await;
        (body, sender.count("timed_out"))
    };
    let (_, (body, timed_out)) = tokio::join!(stuck, others);
    assert_eq!((body.as_str(), timed_out), ("quick", 0));
}
