//! A breaker for each host: one that fails is left alone for a while, then tried with one request.
//!
//! Promises that nobody can choose requests that shut a host out while it answers others: what a request
//! may be the cause of, a time-out or a broken connection, counts only for as long as nobody gets an
//! answer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Failures in a row that open it: at once if there were no connections, else when they have
    /// gone on for [`Self::delay`].
    pub failures: u32,
    /// From its opening, or the last attempt without a connection, to the next one.
    pub delay: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failures: 5,
            delay: Duration::from_secs(5),
        }
    }
}

/// The breaker of one host.
#[derive(Debug)]
pub(super) struct Breaker {
    options: BreakerOptions,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed(Row),
    Open {
        since: Instant,
    },
    /// Half open: one request finds out.
    Trying {
        since: Instant,
    },
}

/// Failures without an answer between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    unreachable: u32,
    silent: u32,
    /// The first that was silent, and the last.
    span: Option<(Instant, Instant)>,
}

impl Row {
    /// One more: whether the host is left alone now.
    fn grow(&mut self, failure: Failure, now: Instant, options: BreakerOptions) -> bool {
        match failure {
            Failure::Unreachable => {
                self.unreachable = self.unreachable.saturating_add(1);
                self.unreachable >= options.failures
            }
            Failure::Silent => {
                let recent = |last| now.saturating_duration_since(last) <= options.delay;
                let first = match self.span {
                    Some((first, last)) if recent(last) => first,
                    // So long ago that nobody may have asked since.
                    Some(_) | None => {
                        self.silent = 0;
                        now
                    }
                };
                self.span = Some((first, now));
                self.silent = self.silent.saturating_add(1);
                let lasted = now.saturating_duration_since(first);
                self.silent >= options.failures && lasted >= options.delay
            }
        }
    }
}

/// How a host has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There was no connection, whatever the request.
    Unreachable,
    /// There may have been one: what was asked may be why.
    Silent,
}

/// A request that the breaker lets through. Without a word on how it went it changes nothing.
#[derive(Debug)]
pub(super) struct Attempt {
    breaker: Arc<Breaker>,
    trial: bool,
}

/// What an attempt has done to its breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

impl Breaker {
    pub(super) fn new(options: BreakerOptions) -> Self {
        Self {
            options,
            state: Mutex::new(State::Closed(Row::default())),
        }
    }

    /// Lets a request through; nothing while the host is left alone.
    pub(super) fn enter(self: &Arc<Self>, now: Instant) -> Option<Attempt> {
        let mut state = self.state();
        let trial = match *state {
            State::Closed(_) => false,
            State::Open { since } => {
                if now.saturating_duration_since(since) < self.options.delay {
                    return None;
                }
                *state = State::Trying { since };
                true
            }
            State::Trying { .. } => return None,
        };
        Some(Attempt {
            breaker: Arc::clone(self),
            trial,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// The host has answered.
    pub(super) fn answered(mut self) -> Option<Change> {
        let trial = std::mem::take(&mut self.trial);
        let mut state = self.breaker.state();
        match *state {
            State::Closed(_) => *state = State::Closed(Row::default()),
            State::Trying { .. } if trial => {
                *state = State::Closed(Row::default());
                return Some(Change::Closed);
            }
            // A late answer to a request from before it opened: the trial decides.
            State::Open { .. } | State::Trying { .. } => {}
        }
        None
    }

    /// The host has not answered.
    pub(super) fn failed(mut self, failure: Failure, now: Instant) -> Option<Change> {
        let trial = std::mem::take(&mut self.trial);
        let options = self.breaker.options;
        let mut state = self.breaker.state();
        match &mut *state {
            State::Closed(row) => {
                if row.grow(failure, now, options) {
                    *state = State::Open { since: now };
                    return Some(Change::Opened);
                }
            }
            State::Trying { since } if trial => {
                let since = match failure {
                    Failure::Unreachable => now,
                    // The next request may fare better.
                    Failure::Silent => *since,
                };
                *state = State::Open { since };
            }
            State::Open { .. } | State::Trying { .. } => {}
        }
        None
    }
}

/// A trial that was given up leaves the next request to find out.
impl Drop for Attempt {
    fn drop(&mut self) {
        if self.trial {
            let mut state = self.breaker.state();
            if let State::Trying { since } = *state {
                *state = State::Open { since };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(5);
    const BEFORE: Duration = Duration::from_millis(4999);

    fn breaker(failures: u32) -> (Arc<Breaker>, Instant) {
        let options = BreakerOptions {
            failures,
            delay: DELAY,
        };
        (Arc::new(Breaker::new(options)), Instant::now())
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let (breaker, now) = breaker(2);
        let enter = || breaker.enter(now).unwrap();
        assert_eq!(enter().failed(Failure::Unreachable, now), None);
        assert_eq!(enter().answered(), None);
        assert_eq!(enter().failed(Failure::Unreachable, now), None);
        assert_eq!(
            enter().failed(Failure::Unreachable, now),
            Some(Change::Opened)
        );
        assert!(breaker.enter(now).is_none());
        assert!(breaker.enter(now + BEFORE).is_none());
    }

    #[test]
    fn one_request_finds_out_after_the_delay() {
        let (breaker, now) = breaker(1);
        assert_eq!(
            breaker
                .enter(now)
                .unwrap()
                .failed(Failure::Unreachable, now),
            Some(Change::Opened)
        );
        let later = now + DELAY;
        let trial = breaker.enter(later).unwrap();
        assert!(breaker.enter(later).is_none());
        assert_eq!(trial.failed(Failure::Unreachable, later), None);
        assert!(breaker.enter(later).is_none());
        let trial = breaker.enter(later + DELAY).unwrap();
        assert_eq!(trial.answered(), Some(Change::Closed));
        assert!(breaker.enter(later + DELAY).is_some());
    }

    #[test]
    fn a_trial_that_is_given_up_leaves_it_to_the_next() {
        let (breaker, now) = breaker(1);
        assert_eq!(
            breaker
                .enter(now)
                .unwrap()
                .failed(Failure::Unreachable, now),
            Some(Change::Opened)
        );
        let later = now + DELAY;
        drop(breaker.enter(later).unwrap());
        assert!(breaker.enter(later).is_some());
    }

    #[test]
    fn a_late_answer_from_before_does_not_close_it() {
        let (breaker, now) = breaker(1);
        let early = breaker.enter(now).unwrap();
        assert_eq!(
            breaker
                .enter(now)
                .unwrap()
                .failed(Failure::Unreachable, now),
            Some(Change::Opened)
        );
        assert_eq!(early.answered(), None);
        assert!(breaker.enter(now).is_none());
    }

    #[test]
    fn what_a_request_may_be_the_cause_of_counts_while_nobody_is_answered() {
        for (answered, opened) in [(false, Some(Change::Opened)), (true, None)] {
            let (breaker, now) = breaker(3);
            let failed = |at: Instant| breaker.enter(at).unwrap().failed(Failure::Silent, at);
            for _ in 0..100 {
                assert_eq!(failed(now), None);
            }
            assert_eq!(failed(now + BEFORE), None);
            if answered {
                assert_eq!(breaker.enter(now).unwrap().answered(), None);
            }
            assert_eq!(failed(now + DELAY), opened);
        }
    }

    #[test]
    fn silence_that_was_long_ago_does_not_count() {
        for (pause, opened) in [
            (DELAY, Some(Change::Opened)),
            (DELAY + Duration::from_millis(1), None),
        ] {
            let (breaker, now) = breaker(2);
            let failed = |at: Instant| breaker.enter(at).unwrap().failed(Failure::Silent, at);
            assert_eq!(failed(now), None);
            assert_eq!(failed(now + pause), opened);
        }
    }

    #[test]
    fn a_silent_trial_leaves_it_to_the_next_and_one_without_a_connection_does_not() {
        for (failure, next) in [(Failure::Silent, true), (Failure::Unreachable, false)] {
            let (breaker, now) = breaker(1);
            let first = breaker.enter(now).unwrap();
            assert!(first.failed(Failure::Unreachable, now).is_some());
            let later = now + DELAY;
            let trial = breaker.enter(later).unwrap();
            assert_eq!(trial.failed(failure, later), None);
            assert_eq!(breaker.enter(later).is_some(), next);
        }
    }
}
