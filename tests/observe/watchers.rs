//! Several watchers, slow watchers, and what becomes of them at the end.

use std::time::{Duration, Instant};

use portcullis::{
    app::Stopped,
    observe::{
        Keep,
        proto::{Filter, ObserveRequest, observe_response::Event},
    },
};
use tonic::Code;

use crate::gate::{Gate, Watching, follow, request, soon};

#[tokio::test]
async fn a_watcher_who_is_too_slow_is_told_exactly_how_many_it_did_not_see() {
    const CHECKS: u64 = 4000;
    let mut gate = Gate::start(|config| config.portcullis.observe.capacity = 64).await;
    let mut slow = gate.watch(follow()).await;
    // More than all buffers on the way take.
    let path = format!("/{}", "x".repeat(300));
    let host = "h".repeat(300);
    for _ in 0..CHECKS {
        gate.ask(request("cart", &host, &path)).await;
    }
    let (mut seen, mut lost) = (0, 0);
    while seen + lost < CHECKS {
        match slow.event().await.unwrap().unwrap() {
            Event::Decision(_) => seen += 1,
            Event::Lost(count) => lost += count,
        }
    }
    assert_eq!(seen + lost, CHECKS);
    assert!(lost > 0 && seen >= 64, "{seen} {lost}");
    assert_eq!(gate.metric("portcullis_observe_lost_total").await, lost);
    assert_eq!(
        gate.metric("portcullis_checks_total{outcome=\"denied\",reason=\"policy\"}")
            .await,
        CHECKS
    );
    // It goes on as before.
    gate.ask(request("cart", "a", "/after")).await;
    assert_eq!(slow.decision().await.path, "/after");
}

#[tokio::test]
async fn so_many_watch_and_the_next_one_is_refused_until_one_has_gone() {
    let gate = Gate::start(|_| ()).await;
    let mut watching = Vec::new();
    for _ in 0..16 {
        watching.push(gate.watch(follow()).await);
    }
    assert_eq!(gate.metric("portcullis_observe_watchers").await, 16);
    let refused = Watching::new(gate.client().await, follow()).await;
    let Err(refused) = refused else {
        panic!("seventeen watch");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.message(), "16 are watching already");
    watching.pop();
    let again = async {
        while Watching::new(gate.client().await, follow()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn the_stop_ends_every_stream_after_the_last_decision_and_is_not_held_up() {
    let mut gate = Gate::start(|_| ()).await;
    let mut reads = gate.watch(follow()).await;
    let _sleeps = gate.watch(follow()).await;
    gate.ask(request("cart", "a", "/last")).await;
    gate.stop.graceful();
    assert_eq!(reads.decision().await.path, "/last");
    let end = reads.event().await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
    assert_eq!(end.message(), "the gate is stopping");
    let began = Instant::now();
    assert_eq!(gate.stopped().await, Stopped::Drained);
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn with_refusals_alone_recorded_a_follower_still_sees_what_is_allowed() {
    let mut gate = Gate::start(|config| config.portcullis.observe.record = Keep::Refused).await;
    let denials = |follow| ObserveRequest {
        follow,
        filter: Some(Filter {
            outcome: vec!["denied".to_owned()],
            ..Filter::default()
        }),
        ..ObserveRequest::default()
    };
    let mut of_denials = gate.watch(denials(true)).await;
    gate.ask(request("cart", "a", "/open/1")).await;
    gate.ask(request("cart", "a", "/closed/2")).await;
    assert_eq!(of_denials.decision().await.path, "/closed/2");
    let all = gate.watch(ObserveRequest::default()).await;
    assert_eq!(all.paths().await, ["/closed/2"]);

    let mut of_all = gate.watch(follow()).await;
    gate.ask(request("cart", "a", "/open/3")).await;
    assert_eq!(of_all.decision().await.path, "/open/3");
}

#[tokio::test]
async fn a_follower_is_woken_for_each_decision_however_rare_they_are() {
    let mut gate = Gate::start(|_| ()).await;
    let mut watching = gate.watch(follow()).await;
    for number in 0..20 {
        let path = format!("/{number}");
        gate.ask(request("cart", "a", &path)).await;
        assert_eq!(watching.decision().await.path, path);
    }
}
