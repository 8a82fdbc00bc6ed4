//! Nudges: few are accepted, none is lost, and whoever waits is woken.

use futures_util::FutureExt as _;

use super::*;

const KEY: &str = "kid";

fn refresh() -> Refresh {
    Refresh::new(Duration::from_secs(10))
}

fn now(seconds: u64) -> Instant {
    at(seconds).instant
}

fn accepted(refresh: &Refresh, kids: impl IntoIterator<Item = u32>, at: Instant) -> usize {
    let ask = |kid: u32| refresh.ask(&format!("kid-{kid}"), at);
    kids.into_iter()
        .filter(|kid| ask(*kid) == Nudge::Accepted)
        .count()
}

#[test]
fn a_thousand_kids_make_one_fetch_in_each_interval() {
    let refresh = refresh();
    assert_eq!(accepted(&refresh, 0..1_000, now(0)), 1);
    // Nobody has even begun.
    assert_eq!(accepted(&refresh, 1_000..2_000, now(9)), 0);
    assert_eq!(accepted(&refresh, 2_000..3_000, now(10)), 1);
    refresh.began(now(11));
    assert_eq!(accepted(&refresh, 3_000..4_000, now(12)), 0);
    // A slow fetch is still the only one.
    assert_eq!(accepted(&refresh, 4_000..5_000, now(40)), 0);
    refresh.ended();
    assert_eq!(accepted(&refresh, 5_000..6_000, now(40)), 1);
}

#[test]
fn the_interval_counts_from_the_begin_of_a_fetch_whatever_caused_it() {
    let refresh = refresh();
    refresh.began(now(0));
    refresh.ended();
    assert_eq!(refresh.ask(KEY, now(9)), Nudge::Throttled);
    assert_eq!(refresh.ask(KEY, now(10)), Nudge::Accepted);
}

#[test]
fn a_kid_that_a_fetch_has_not_brought_is_not_asked_for_again_so_soon() {
    let refresh = refresh();
    assert_eq!(refresh.ask(KEY, now(0)), Nudge::Accepted);
    refresh.began(now(0));
    refresh.ended();
    for seconds in [0, 15, 29] {
        assert_eq!(refresh.ask(KEY, now(seconds)), Nudge::KnownUnknown);
    }
    assert_eq!(refresh.ask(KEY, now(30)), Nudge::Accepted);
    // One that was only throttled is not known.
    assert_eq!(refresh.ask("other", now(31)), Nudge::Throttled);
    assert_eq!(refresh.ask("other", now(40)), Nudge::Accepted);
}

#[test]
fn no_more_kids_are_remembered_than_allowed() {
    let refresh = Refresh::new(Duration::ZERO);
    let most = u32::try_from(Refresh::MAX_KIDS).unwrap();
    assert_eq!(accepted(&refresh, 0..most, now(0)), Refresh::MAX_KIDS);
    assert_eq!(accepted(&refresh, 0..most, now(0)), 0);
    // What is above is asked for each time, and old ones make room.
    assert_eq!(accepted(&refresh, most..most + 10, now(0)), 10);
    assert_eq!(accepted(&refresh, most..most + 10, now(0)), 10);
    assert_eq!(accepted(&refresh, most..most + 10, now(60)), 10);
    assert_eq!(accepted(&refresh, most..most + 10, now(60)), 0);
}

#[test]
fn a_nudge_waits_for_the_task_and_is_heard_once() {
    let refresh = refresh();
    assert!(refresh.asked().now_or_never().is_none());
    assert_eq!(refresh.ask(KEY, now(0)), Nudge::Accepted);
    assert!(refresh.asked().now_or_never().is_some());
    assert!(refresh.asked().now_or_never().is_none());
}

#[test]
fn a_nudge_wakes_the_task_that_waits() {
    let refresh = refresh();
    let mut asked = std::pin::pin!(refresh.asked());
    assert!(asked.as_mut().now_or_never().is_none());
    assert_eq!(refresh.clone().ask(KEY, now(0)), Nudge::Accepted);
    assert!(asked.now_or_never().is_some());
}

#[test]
fn a_fetch_that_begins_anyway_answers_a_nudge() {
    let refresh = refresh();
    assert_eq!(refresh.ask(KEY, now(0)), Nudge::Accepted);
    refresh.began(now(1));
    refresh.ended();
    assert!(refresh.asked().now_or_never().is_none());
}

#[test]
fn whoever_waits_is_woken_by_the_end_of_a_fetch() {
    let refresh = refresh();
    let round = refresh.rounds();
    let mut after = std::pin::pin!(refresh.after(round));
    assert!(after.as_mut().now_or_never().is_none());
    refresh.began(now(0));
    assert!(after.as_mut().now_or_never().is_none());
    refresh.ended();
    assert!(after.now_or_never().is_some());
    assert!(refresh.after(round).now_or_never().is_some());
    assert!(refresh.after(refresh.rounds()).now_or_never().is_none());
}

#[test]
fn no_more_checks_wait_than_allowed() {
    let refresh = refresh();
    let round = refresh.rounds();
    let mut waiting: Vec<_> = (0..Refresh::MAX_WAITING)
        .map(|_| Box::pin(refresh.after(round)))
        .collect();
    for after in &mut waiting {
        assert!(after.now_or_never().is_none());
    }
    assert!(refresh.after(round).now_or_never().is_some());
    // Whoever goes away makes room.
    waiting.pop();
    assert!(refresh.after(round).now_or_never().is_none());
    refresh.ended();
    assert!(
        waiting
            .into_iter()
            .all(|after| after.now_or_never().is_some())
    );
}

#[test]
fn a_fetch_is_under_way_from_the_nudge_to_its_end_but_not_for_ever() {
    let refresh = refresh();
    assert!(!refresh.is_under_way(now(0)));
    assert_eq!(refresh.ask(KEY, now(0)), Nudge::Accepted);
    assert!(refresh.is_under_way(now(0)));
    assert!(refresh.asked().now_or_never().is_some());
    assert!(refresh.is_under_way(now(1)));
    refresh.began(now(1));
    assert!(refresh.is_under_way(now(10)));
    assert!(!refresh.is_under_way(now(11)));
    refresh.ended();
    assert!(!refresh.is_under_way(now(2)));
}
