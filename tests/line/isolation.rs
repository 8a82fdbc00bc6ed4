//! Decisions that take long: made in the slow lane, beside which the others are answered.

use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use tokio::task::JoinHandle;

use crate::{
    failures::{code, decision_id},
    log, requests,
    server::{self, Server},
};

/// `/fast` and `/denied` are decided at once, `/long-...` after a while, `/endless` never.
const POLICY: &str = r#"package envoy.authz

default allow := false

at(path) if input.parsed_path[0] == path

long if {
	some a in numbers.range(1, 100)
	some b in numbers.range(1, 100)
	a * b == 10000
}

allow if at("fast")

allow if {
	at("long-allow")
	long
}

allow if {
	at("long-deny")
	not long
}

allow if {
	at("endless")
	some a in numbers.range(1, 9000)
	some b in numbers.range(1, 9000)
	some c in numbers.range(1, 9000)
	a * b * c == 0
}
"#;

const PATIENT: [&str; 2] = [
    "portcullis.budget=30s",
    "portcullis.limits.instructions=1000000000",
];
/// The slice is long enough for what is quick, whatever else the machine does.
const ONE_LANE: [&str; 3] = [
    "portcullis.isolation.threads=1",
    "portcullis.isolation.queue=1",
    "portcullis.isolation.slice=1s",
];

async fn start(set: &[&str]) -> Server {
    Server::start(POLICY, &[&PATIENT, set].concat()).await
}

/// A check that nobody waits for yet.
fn begin(server: &Server, path: &str, timeout: Option<&'static str>) -> JoinHandle<CheckResponse> {
    let (channel, request) = (server.channel(), requests::path(path));
    tokio::spawn(async move {
        let answer = server::check(&channel, &request, timeout).await;
        answer.expect("a CheckResponse, not a gRPC error")
    })
}

/// Waits until as many checks have come in.
async fn in_flight(server: &Server, checks: f64) {
    server
        .metric_when("portcullis_in_flight", |now| now >= checks)
        .await;
}

/// A check that never ends, on the only thread of the lane.
async fn occupied(server: &Server) -> JoinHandle<CheckResponse> {
    let running = begin(server, "/endless", None);
    server
        .metric_when("portcullis_lane_running", |now| now > 0.5)
        .await;
    running
}

#[tokio::test]
async fn a_decision_is_the_same_wherever_it_is_made() {
    for slice in ["0s", "1us", "100us", "30s"] {
        let set = format!("portcullis.isolation.slice={slice}");
        let server = start(&[&set]).await;
        for (path, expected) in [
            ("/fast", 0),
            ("/denied", 7),
            ("/long-allow", 0),
            ("/long-deny", 7),
        ] {
            let answer = server.check(&requests::path(path)).await;
            assert_eq!(code(&answer), expected, "{path} with a slice of {slice}");
            let line = log::of_check(&decision_id(&answer));
            assert_eq!(line["reason"], "policy", "{path}: {line}");
            assert_eq!(line["http.path"], path, "{line}");
        }
        let decided = server
            .metric("portcullis_check_duration_seconds_count")
            .await;
        assert_eq!(decided, Some(4.0), "one event a check");
        let abandoned = server.metric("portcullis_abandoned_total").await;
        assert_eq!(abandoned, Some(0.0), "everybody waited for the answer");
    }
}

/// The server and its callers have one thread, which no check may hold.
#[tokio::test]
async fn who_comes_behind_a_check_that_never_ends_is_answered_at_once() {
    let server = start(&ONE_LANE).await;
    let endless = occupied(&server).await;
    for (path, expected) in [("/fast", 0), ("/denied", 7)] {
        assert_eq!(code(&server.check(&requests::path(path)).await), expected);
    }
    assert!(!endless.is_finished());
    endless.abort();
    server
        .metric_when("portcullis_abandoned_total", |count| count > 0.5)
        .await;
    server
        .metric_when("portcullis_in_flight", |now| now < 0.5)
        .await;
}

#[tokio::test]
async fn what_the_lane_has_no_room_for_is_shed_and_the_line_goes_on() {
    let server = start(&ONE_LANE).await;
    let running = occupied(&server).await;
    let waiting = begin(&server, "/endless", None);
    in_flight(&server, 2.0).await;
    let newest = begin(&server, "/endless", None);
    let shed = server::soon(waiting).await.unwrap();
    assert_eq!(code(&shed), 14, "{shed:?}");
    let line = log::of_check(&decision_id(&shed));
    assert_eq!(line["reason"], "overload", "{line}");
    assert_eq!(line["http.path"], "/endless", "{line}");
    let count = server
        .metric(r#"portcullis_shed_total{cause="lane"}"#)
        .await;
    assert_eq!(count, Some(1.0));
    assert_eq!(code(&server.check(&requests::path("/fast")).await), 0);
    for check in [running, newest] {
        assert!(!check.is_finished());
        check.abort();
    }
}

#[tokio::test]
async fn a_check_that_waits_for_the_lane_is_answered_when_its_own_time_is_over() {
    // Of six seconds two are left, and one of them on the line.
    let server = start(&[&ONE_LANE[..], &["portcullis.reply_margin=4s"]].concat()).await;
    let running = occupied(&server).await;
    let waiting = begin(&server, "/endless", Some("6S"));
    let late = server::soon(waiting).await.unwrap();
    assert_eq!(code(&late), 14, "{late:?}");
    let line = log::of_check(&decision_id(&late));
    assert_eq!(line["reason"], "budget", "{line}");
    assert_eq!(line["budget.stage"], "admission", "{line}");
    assert!(!running.is_finished());
    running.abort();
}

#[tokio::test]
async fn a_check_that_runs_in_the_lane_is_stopped_when_its_time_is_over() {
    let all = ["portcullis.budget=300ms", "portcullis.isolation.slice=0s"];
    let server = start(&[&ONE_LANE[..], &all].concat()).await;
    let began = std::time::Instant::now();
    let answer = server.check(&requests::path("/endless")).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(code(&answer), 14, "{answer:?}");
    let line = log::of_check(&decision_id(&answer));
    assert_eq!(line["budget.stage"], "policy", "{line}");
    // The thread is free again.
    let answer = server.check(&requests::path("/fast")).await;
    assert_eq!(code(&answer), 0, "{answer:?}");
}

#[tokio::test]
async fn a_request_of_many_bytes_is_judged_in_the_lane_and_a_small_one_on_the_line() {
    let server = start(&[]).await;
    for (padding, isolated) in [(100, 0.0), (100_000, 2.0)] {
        for (path, expected) in [("/fast", 0), ("/denied", 7)] {
            let request = requests::http(requests::GET, |http| {
                path.clone_into(&mut http.path);
                http.headers.insert("x-padding".into(), "x".repeat(padding));
            });
            let answer = server.check(&request).await;
            assert_eq!(code(&answer), expected, "{path} with {padding}");
        }
        let all = server.metric("portcullis_isolated_total").await;
        assert!(
            all >= Some(isolated) && (padding > 100 || all < Some(2.0)),
            "{all:?} with {padding}"
        );
    }
}
