//! A breaker for each host: after some failures in a row it is left alone for a while, then tried with
//! one request.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Failures in a row that open it.
    pub failures: u32,
    /// From its opening, or the last failed attempt, to the next one.
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
    Closed {
        failures: u32,
    },
    Open {
        since: Instant,
    },
    /// Half open: one request finds out.
    Trying {
        since: Instant,
    },
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
            state: Mutex::new(State::Closed { failures: 0 }),
        }
    }

    /// Lets a request through; nothing while the host is left alone.
    pub(super) fn enter(self: &Arc<Self>, now: Instant) -> Option<Attempt> {
        let mut state = self.state();
        let trial = match *state {
            State::Closed { .. } => false,
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
            State::Closed { .. } => *state = State::Closed { failures: 0 },
            State::Trying { .. } if trial => {
                *state = State::Closed { failures: 0 };
                return Some(Change::Closed);
            }
            // A late answer to a request from before it opened: the trial decides.
            State::Open { .. } | State::Trying { .. } => {}
        }
        None
    }

    /// The host has not answered.
    pub(super) fn failed(mut self, now: Instant) -> Option<Change> {
        let trial = std::mem::take(&mut self.trial);
        let most = self.breaker.options.failures;
        let mut state = self.breaker.state();
        match *state {
            State::Closed { failures } => {
                let failures = failures.saturating_add(1);
                if failures >= most {
                    *state = State::Open { since: now };
                    return Some(Change::Opened);
                }
                *state = State::Closed { failures };
            }
            State::Trying { .. } if trial => *state = State::Open { since: now },
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
        assert_eq!(enter().failed(now), None);
        assert_eq!(enter().answered(), None);
        assert_eq!(enter().failed(now), None);
        assert_eq!(enter().failed(now), Some(Change::Opened));
        assert!(breaker.enter(now).is_none());
        assert!(breaker.enter(now + BEFORE).is_none());
    }

    #[test]
    fn one_request_finds_out_after_the_delay() {
        let (breaker, now) = breaker(1);
        assert_eq!(
            breaker.enter(now).unwrap().failed(now),
            Some(Change::Opened)
        );
        let later = now + DELAY;
        let trial = breaker.enter(later).unwrap();
        assert!(breaker.enter(later).is_none());
        assert_eq!(trial.failed(later), None);
        assert!(breaker.enter(later).is_none());
        let trial = breaker.enter(later + DELAY).unwrap();
        assert_eq!(trial.answered(), Some(Change::Closed));
        assert!(breaker.enter(later + DELAY).is_some());
    }

    #[test]
    fn a_trial_that_is_given_up_leaves_it_to_the_next() {
        let (breaker, now) = breaker(1);
        assert_eq!(
            breaker.enter(now).unwrap().failed(now),
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
            breaker.enter(now).unwrap().failed(now),
            Some(Change::Opened)
        );
        assert_eq!(early.answered(), None);
        assert!(breaker.enter(now).is_none());
    }
}
