//! What is remembered, and what of it somebody wants to see.

use portcullis::observe::proto::{Filter, ObserveRequest};
use prost_types::Timestamp;

use crate::gate::{Gate, follow, history, request, soon};

async fn gate() -> Gate {
    let mut gate = Gate::start(|_| ()).await;
    gate.made(vec![
        request("cart", "api.example.org", "/open/1?token=secret"),
        request("cart", "api.example.org", "/closed/2"),
        request("mail", "www.example.org", "/closed/3"),
        request("mail", "www.example.org", "/open/4"),
    ])
    .await;
    gate
}

const ALL: [&str; 4] = ["/open/1", "/closed/2", "/closed/3", "/open/4"];

#[tokio::test]
async fn what_is_remembered_is_shown_oldest_first_and_then_the_stream_ends() {
    let gate = gate().await;
    let paths = gate.watch(ObserveRequest::default()).await.paths().await;
    assert_eq!(paths, ALL);
    for (last, want) in [
        (0, &ALL[4..]),
        (1, &ALL[3..]),
        (3, &ALL[1..]),
        (9, &ALL[..]),
    ] {
        let asked = ObserveRequest {
            last: Some(last),
            ..ObserveRequest::default()
        };
        assert_eq!(gate.watch(asked).await.paths().await, want, "{last}");
    }
}

#[tokio::test]
async fn every_filter_shows_what_it_names_and_hides_the_rest() {
    let gate = gate().await;
    let one = |text: &str| vec![text.to_owned()];
    let none = Filter::default;
    let cases: [(Filter, &[&str]); 12] = [
        (
            Filter {
                outcome: one("denied"),
                ..none()
            },
            &["/closed/2", "/closed/3"],
        ),
        (
            Filter {
                outcome: one("allowed"),
                ..none()
            },
            &["/open/1", "/open/4"],
        ),
        (
            Filter {
                outcome: one("error"),
                ..none()
            },
            &[],
        ),
        (
            Filter {
                reason: one("policy"),
                ..none()
            },
            &ALL,
        ),
        (
            Filter {
                reason: one("token"),
                ..none()
            },
            &[],
        ),
        (
            Filter {
                caller: one("shop/cart"),
                ..none()
            },
            &ALL[..2],
        ),
        (
            Filter {
                caller: one("*/sa/mail"),
                ..none()
            },
            &ALL[2..],
        ),
        (
            Filter {
                caller: one("shop"),
                ..none()
            },
            &[],
        ),
        (
            Filter {
                path: one("/open/*"),
                ..none()
            },
            &["/open/1", "/open/4"],
        ),
        (
            Filter {
                path: one("*token*"),
                ..none()
            },
            &[],
        ),
        (
            Filter {
                host: one("www.*"),
                ..none()
            },
            &ALL[2..],
        ),
        (
            Filter {
                host: one("www.*"),
                outcome: one("denied"),
                ..none()
            },
            &["/closed/3"],
        ),
    ];
    for (filter, want) in cases {
        let paths = gate.watch(history(filter.clone())).await.paths().await;
        assert_eq!(paths, want, "{filter:?}");
    }
}

#[tokio::test]
async fn since_leaves_out_what_was_decided_before() {
    let mut gate = Gate::start(|_| ()).await;
    gate.made(vec![request("cart", "a", "/1"), request("cart", "a", "/2")])
        .await;
    let mut watching = gate.watch(ObserveRequest::default()).await;
    let first = watching.decision().await.time.unwrap();
    let second = watching.decision().await.time.unwrap();
    let since = |time: Timestamp| ObserveRequest {
        since: Some(time),
        ..ObserveRequest::default()
    };
    let all = gate.watch(since(first)).await.paths().await;
    assert_eq!(all, ["/1", "/2"]);
    assert_eq!(gate.watch(since(second)).await.paths().await, ["/2"]);
    let later = Timestamp {
        seconds: second.seconds + 1,
        nanos: 0,
    };
    assert!(gate.watch(since(later)).await.paths().await.is_empty());
    let long_ago = Timestamp {
        seconds: -1,
        nanos: -1,
    };
    assert_eq!(gate.watch(since(long_ago)).await.paths().await.len(), 2);
}

#[tokio::test]
async fn a_follower_sees_what_comes_and_only_what_it_asked_for() {
    let mut gate = gate().await;
    let mut denials = gate
        .watch(ObserveRequest {
            last: Some(1),
            filter: Some(Filter {
                outcome: vec!["denied".to_owned()],
                ..Filter::default()
            }),
            ..follow()
        })
        .await;
    assert_eq!(denials.decision().await.path, "/closed/3");
    assert!(gate.ask(request("cart", "a", "/open/5")).await);
    assert!(!gate.ask(request("cart", "a", "/closed/6")).await);
    let decision = denials.decision().await;
    assert_eq!(decision.path, "/closed/6");
    assert_eq!(decision.message, "not for you");
    assert_eq!(decision.caller, "spiffe://cluster.local/ns/shop/sa/cart");
    assert_eq!(
        decision.destination,
        "spiffe://cluster.local/ns/shop/sa/api"
    );
    assert!(decision.duration.is_some());
    assert_eq!(decision.decision_id.len(), 36);
}

#[tokio::test]
async fn only_so_many_are_remembered_and_they_are_the_newest() {
    let mut gate = Gate::start(|config| config.portcullis.observe.capacity = 2).await;
    for path in ["/1", "/2", "/3"] {
        gate.made(vec![request("cart", "a", path)]).await;
    }
    let paths = gate.watch(ObserveRequest::default()).await.paths().await;
    assert_eq!(paths, ["/2", "/3"]);
}

#[tokio::test]
async fn what_nobody_may_see_is_in_no_field() {
    let mut gate = Gate::start(|_| ()).await;
    let mut secret = request("cart", "api", "/open?api_key=s3cret#s3cret");
    let attributes = secret.attributes.as_mut().unwrap();
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    for header in ["authorization", "cookie", "x-note", "user-agent"] {
        http.headers.insert(header.to_owned(), "s3cret".to_owned());
    }
    http.body = "s3cret".to_owned();
    http.query = "s3cret".to_owned();
    gate.made(vec![
        secret,
        request("eyJhbGciOi.e30.s3cret", "api", "/eyJhbGciOi.e30.s3cret"),
    ])
    .await;
    let mut watching = gate.watch(ObserveRequest::default()).await;
    let shown = format!(
        "{:?}",
        [watching.decision().await, watching.decision().await]
    );
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("****"), "{shown}");
}

#[tokio::test]
async fn a_filter_that_cannot_be_right_is_refused() {
    let gate = Gate::start(|_| ()).await;
    let mut client = gate.client().await;
    let filter = Filter {
        outcome: vec!["maybe".to_owned()],
        ..Filter::default()
    };
    let refused = soon(client.observe(history(filter))).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert_eq!(refused.message(), "`maybe` is not an outcome");
}
