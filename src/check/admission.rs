//! Which checks are begun: a bounded number at a time, none that waited too long, none that comes too
//! late.
//!
//! Checks wait in the queue of the runtime, which nobody can look into. What can be seen is how long
//! each one waited when its turn comes. While the usual wait is short, a check may wait up to half of
//! the budget: a burst is worked off. When waiting has become usual, the queue stands: then only young
//! checks are begun and the others are shed at once, which empties it, so that those that come next are
//! answered soon instead of all of them late (controlled delay, with the newest first). The bound thus
//! follows what the machine does, and needs no setting.

use std::time::Duration;

use crate::{
    median::Median,
    outcome::Shed,
    telemetry::{InFlight, Metrics},
};

/// How much is taken on at once.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Checks in flight at once, waiting ones included.
    pub max_in_flight: usize,
}

/// Decides which checks are begun.
#[derive(Debug)]
pub(super) struct Admission {
    options: Options,
    usual_wait: Median,
}

/// What is known of a check when its turn comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// How long it waited for its turn.
    pub(super) waited: Duration,
    /// All the time it may take, and what is left of that.
    pub(super) budget: Duration,
    pub(super) left: Duration,
    /// How long its evaluation will usually take.
    pub(super) usual: Duration,
    /// Whether it is one of those that tell what is usual.
    pub(super) sample: bool,
}

impl Admission {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            usual_wait: Median::of(SHORT),
        }
    }

    /// Notes a wait; a sample of them is enough.
    pub(super) fn note(&self, waited: Duration) {
        self.usual_wait.note(waited);
    }

    /// Lets a check begin, and counts it until what is returned is dropped.
    pub(super) fn enter<'m>(
        &self,
        metrics: &'m Metrics,
        arrival: Arrival,
    ) -> Result<InFlight<'m>, Shed> {
        let Arrival {
            waited,
            budget,
            left,
            usual,
            sample,
        } = arrival;
        // Some are tried: what was usual may not be so any more.
        if left <= usual && !sample {
            return Err(Shed::Deadline);
        }
        if waited > self.longest_wait(budget) {
            return Err(Shed::Delay);
        }
        metrics
            .enter(self.options.max_in_flight)
            .ok_or(Shed::InFlight)
    }

    fn longest_wait(&self, budget: Duration) -> Duration {
        let part = |parts: u32| budget.checked_div(parts).unwrap_or_default();
        if self.usual_wait.get() > part(TWENTIETH) {
            part(TENTH)
        } else {
            part(HALF)
        }
    }
}

/// What is usual before anybody has waited.
const SHORT: Duration = Duration::from_micros(100);
/// The usual wait, as a part of the budget, above which the queue stands.
const TWENTIETH: u32 = 20;
/// The longest wait while the queue stands.
const TENTH: u32 = 10;
/// The longest wait otherwise: who waited longer would hardly be answered in time.
const HALF: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(100);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn after(waited: Duration) -> Arrival {
        Arrival {
            waited,
            budget: BUDGET,
            left: BUDGET.saturating_sub(waited),
            usual: ms(1),
            sample: false,
        }
    }

    fn admission(max_in_flight: usize) -> (Admission, Metrics) {
        let options = Options { max_in_flight };
        (Admission::new(options), Metrics::new(None))
    }

    #[test]
    fn the_check_above_the_limit_is_shed_until_one_leaves() {
        let (admission, metrics) = admission(2);
        let enter = || admission.enter(&metrics, after(ms(0)));
        let first = enter().unwrap();
        let _second = enter().unwrap();
        assert_eq!(enter().err(), Some(Shed::InFlight));
        drop(first);
        assert!(enter().is_ok());
    }

    #[test]
    fn a_panic_leaves_like_a_return() {
        let (admission, metrics) = admission(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _in_flight = admission.enter(&metrics, after(ms(0))).unwrap();
            panic!("inside a check");
        }));
        assert!(panicked.is_err());
        assert!(admission.enter(&metrics, after(ms(0))).is_ok());
    }

    #[test]
    fn a_check_that_cannot_be_done_in_what_is_left_is_not_begun() {
        let (admission, metrics) = admission(2);
        for (left, begun) in [(ms(0), false), (ms(1), false), (ms(2), true)] {
            let arrival = Arrival {
                left,
                ..after(ms(0))
            };
            let entered = admission.enter(&metrics, arrival).map(drop);
            let shed = if begun { Ok(()) } else { Err(Shed::Deadline) };
            assert_eq!(entered, shed, "{left:?}");
            let sample = Arrival {
                sample: true,
                ..arrival
            };
            assert!(admission.enter(&metrics, sample).is_ok());
        }
    }

    #[test]
    fn only_young_checks_are_begun_while_the_queue_stands() {
        let (admission, metrics) = admission(2);
        let enter = |waited| admission.enter(&metrics, after(ms(waited))).map(drop);
        // A burst.
        assert_eq!(enter(45), Ok(()));
        assert_eq!(enter(51), Err(Shed::Delay));
        for _ in 0..100 {
            admission.note(ms(45));
        }
        assert_eq!(enter(45), Err(Shed::Delay));
        assert_eq!(enter(11), Err(Shed::Delay));
        assert_eq!(enter(9), Ok(()));
        for _ in 0..100 {
            admission.note(ms(1));
        }
        assert_eq!(enter(45), Ok(()));
    }
}
