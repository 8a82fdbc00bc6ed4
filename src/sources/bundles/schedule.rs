//! When to ask next: between the delays of `polling`, backing off while something is wrong, and never
//! at the same time as everybody else.

use std::time::Duration;

use super::Polling;

/// The times between the requests for one bundle.
#[derive(Debug)]
pub(super) struct Schedule {
    polling: Polling,
    /// Attempts that failed since the last that did not.
    failures: u32,
}

impl Schedule {
    pub(super) fn new(polling: Polling) -> Self {
        Self {
            polling,
            failures: 0,
        }
    }

    /// How long to wait after an answer that needs nothing else: a time between both delays, each as
    /// likely as any other; none at all for a server that holds requests.
    pub(super) fn after_success(&mut self, long_poll: bool) -> Duration {
        self.failures = 0;
        let Polling {
            min_delay,
            max_delay,
            long_polling_timeout,
        } = self.polling;
        if long_poll && long_polling_timeout.is_some() {
            return Duration::ZERO;
        }
        min_delay.saturating_add(up_to(max_delay.saturating_sub(min_delay)))
    }

    /// How long to wait after a failure: twice as long each time, up to the longest delay, and up to
    /// half of it less.
    pub(super) fn after_failure(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let wait = LEAST
            .saturating_mul(factor)
            .min(self.polling.max_delay.max(LEAST));
        wait.saturating_sub(up_to(wait.checked_div(2).unwrap_or_default()))
    }

    /// The least time between the beginnings of two requests, whatever a server says.
    pub(super) fn least(&self) -> Duration {
        LEAST.min(self.polling.max_delay)
    }
}

fn up_to(most: Duration) -> Duration {
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(fastrand::u64(0..=most))
}

/// The wait after a first failure, as OPA has it.
const LEAST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn polling(min: u64, max: u64) -> Polling {
        Polling {
            min_delay: Duration::from_secs(min),
            max_delay: Duration::from_secs(max),
            long_polling_timeout: None,
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_between_both_delays(min in 0..1_000_u64, max in 1_000..2_000_u64) {
            let polling = polling(min, max);
            let wait = Schedule::new(polling).after_success(false);
            prop_assert!(polling.min_delay <= wait && wait <= polling.max_delay);
        }

        #[test]
        fn failures_back_off_up_to_the_longest_delay(failures in 0..100_u32) {
            let mut schedule = Schedule::new(polling(60, 120));
            let mut wait = Duration::ZERO;
            for _ in 0..=failures {
                wait = schedule.after_failure();
            }
            let full = (0.1 * 2_f64.powi(i32::try_from(failures).unwrap())).min(120.0);
            prop_assert!(wait.as_secs_f64() <= full && wait.as_secs_f64() >= full / 2.0 - 1e-6);
        }
    }

    #[test]
    fn a_server_that_holds_requests_is_asked_at_once_if_it_was_asked_to_hold() {
        let mut polling = polling(60, 60);
        assert_eq!(
            Schedule::new(polling).after_success(true),
            Duration::from_mins(1)
        );
        polling.long_polling_timeout = Some(Duration::from_secs(30));
        assert_eq!(Schedule::new(polling).after_success(true), Duration::ZERO);
        assert_eq!(
            Schedule::new(polling).after_success(false),
            Duration::from_mins(1)
        );
    }

    #[test]
    fn a_success_ends_the_backing_off() {
        let mut schedule = Schedule::new(polling(60, 120));
        for _ in 0..10 {
            schedule.after_failure();
        }
        schedule.after_success(false);
        assert!(schedule.after_failure() <= LEAST);
    }
}
