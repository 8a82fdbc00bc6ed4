//! How many records a second are taken: a bucket that fills at that rate.

use std::time::Duration;

/// `max_decisions_per_second`, as OPA counts: a second's worth may come at once, one at least.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    per_second: f64,
    left: f64,
    last: Duration,
}

impl Rate {
    pub(super) const fn new(per_second: f64) -> Self {
        Self {
            per_second,
            left: per_second.max(1.0),
            last: Duration::ZERO,
        }
    }

    /// Whether one more is taken at this time since the Unix epoch. Time that runs backwards brings
    /// nothing.
    pub(super) fn take(&mut self, at: Duration) -> bool {
        let passed = at.saturating_sub(self.last).as_secs_f64();
        self.last = self.last.max(at);
        let most = self.per_second.max(1.0);
        self.left = passed.mul_add(self.per_second, self.left).min(most);
        let taken = self.left >= 1.0;
        if taken {
            self.left -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate: &mut Rate, milliseconds: impl IntoIterator<Item = u64>) -> usize {
        let at = milliseconds.into_iter().map(Duration::from_millis);
        at.filter(|at| rate.take(*at)).count()
    }

    #[test]
    fn a_second_s_worth_may_come_at_once_and_then_so_many_a_second() {
        let mut rate = Rate::new(10.0);
        assert_eq!(taken(&mut rate, [0; 25]), 10);
        assert_eq!(taken(&mut rate, (1..=1000).step_by(1)), 10);
        assert_eq!(taken(&mut rate, [60_000; 25]), 10);
        // A clock that is set back, and no way to use that.
        assert_eq!(taken(&mut rate, [0; 25]), 0);
        assert_eq!(taken(&mut rate, [60_100; 25]), 1);
    }

    #[test]
    fn less_than_one_a_second_is_one_now_and_then() {
        let mut rate = Rate::new(0.5);
        assert_eq!(taken(&mut rate, (0..10_000).step_by(100)), 5);
        let mut none = Rate::new(0.0);
        assert_eq!(taken(&mut none, (0..10_000).step_by(100)), 1);
    }
}
