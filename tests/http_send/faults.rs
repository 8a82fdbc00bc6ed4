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
async fn yaml_that_repeats_itself_is_refused() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (last, name) in "abcdefghijk".chars().zip("bcdefghijkl".chars()) {
        let row = [format!("*{last}").as_str(); 10].join(", ");
        bomb.extend([format!("{name}: &{name} [{row}]\n")]);
    }
    let backend = Backend::start(text(&bomb).with("content-type", "application/yaml")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let error = sender.send(get(&backend.url("/"))).await.unwrap_err();
    assert!(error.contains("the body of the response"), "{error}");
}

#[tokio::test]
async fn what_is_not_decoded_here_alone_ends_the_evaluation_and_what_nobody_decodes_is_null() {
    let nested = |depth: usize| [&*"[".repeat(depth), &*"]".repeat(depth)].concat();
    for (kind, body, refused) in [
        ("application/json", nested(129), true),
        ("application/json", nested(120), false),
        ("application/json", format!("[1{}]", "0".repeat(2000)), true),
        ("application/json", "{\"bad\": true} x".to_owned(), true),
        ("application/json", "{broken".to_owned(), false),
        ("application/yaml", nested(300), true),
        ("application/yaml", "a: [".to_owned(), false),
        ("text/plain", nested(300), false),
    ] {
        let backend = Backend::start(text(&body).with("content-type", kind)).await;
        let sender = Sender::to(&[&backend.origin()]);
        let url = backend.url("/");
        assert_eq!(sender.refuses(get(&url)).await, refused, "{kind} {body}");
    }
}

#[tokio::test]
async fn our_own_bounds_end_the_evaluation_and_other_errors_do_not() {
    let backend = Backend::start(text("here")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let long = |length: usize| get(&backend.url(&format!("/{}", "x".repeat(length))));
    let more = |more| get_with(&backend.url("/"), more);
    for (request, refused) in [
        (long(16_000), false),
        (long(17_000), true),
        (more(json!({"headers": {"a": "x".repeat(60_000)}})), false),
        (more(json!({"headers": {"a": "x".repeat(70_000)}})), true),
        (more(json!({"body": "x".repeat(1000)})), false),
        (more(json!({"body": "x".repeat(1 << 20)})), true),
        (more(json!({"raw_body": "x".repeat(1 << 20)})), false),
        (more(json!({"raw_body": "x".repeat(1 + (1 << 20))})), true),
        (more(json!({"tls_insecure_skip_verify": true})), true),
        (get(&backend.url("/a\\b")), true),
        (get("http://elsewhere.example/"), true),
        (get("http://169.254.169.254/"), true),
        (more(json!({"unknown": 1})), false),
        (more(json!({"timeout": "1ns"})), false),
    ] {
        let shown: String = request.to_string().chars().take(100).collect();
        assert_eq!(sender.refuses(request).await, refused, "{shown}");
    }
    let many = (0..200).fold(text(""), |answer, nth| {
        answer.with("x-many", &nth.to_string())
    });
    for (answer, refused) in [
        (Answer::HangUp, false),
        (text("").status(500), false),
        (Answer::Flood { announced: true }, true),
        (text("").with("x-long", &"x".repeat(70_000)), true),
        (many, true),
    ] {
        backend.set(answer.clone());
        let url = backend.url("/");
        assert_eq!(sender.refuses(get(&url)).await, refused, "{answer:?}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_named_before_the_rest_is_read() {
    let backend = Backend::start(text("")).await;
    let request = get_with(&backend.url("/"), json!({"body": "x".repeat(2 << 20)}));
    for (allow, why) in [
        (vec![], "is not allowed: add it"),
        (vec![backend.origin()], "larger than"),
    ] {
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let error = Sender::to(&allow).send(request.clone()).await.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
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
