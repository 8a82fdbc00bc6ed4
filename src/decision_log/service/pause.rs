//! How long is waited between two rounds, and after a failure.

use std::time::{Duration, Instant};

use crate::backoff;

/// Anything between the two, but never so little that nothing would be collected.
pub(super) fn delay((min, max): (Duration, Duration)) -> Duration {
    let between = max.saturating_sub(min).mul_f64(fastrand::f64());
    min.saturating_add(between).max(SHORTEST_DELAY)
}

/// Twice as long after each failure, up to a minute; `jitter`, up to 1, takes up to half of it away.
pub(super) fn pause(failures: u32, longest: Duration, jitter: f64) -> Duration {
    let longest = longest.clamp(SHORTEST_LONGEST_PAUSE, LONGEST_PAUSE);
    backoff::pause(failures, FIRST_PAUSE, longest, jitter)
}

/// A clock that stands at its end leaves no time.
pub(super) fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}

/// Without a pause nothing would be collected.
const SHORTEST_DELAY: Duration = Duration::from_millis(50);
/// OPA's first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// OPA waits up to the longest delay, which is ten minutes by default: more would wait than has to.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
const SHORTEST_LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_never_to_nothing() {
        let hour = Duration::from_hours(1);
        for (failures, longest, jitter, milliseconds) in [
            (0, hour, 0.0, 100),
            (0, hour, 1.0, 50),
            (3, hour, 0.5, 600),
            (20, hour, 0.0, 60_000),
            (u32::MAX, hour, 1.0, 30_000),
            (20, Duration::from_secs(5), 0.0, 5_000),
            (20, Duration::ZERO, 0.0, 1_000),
        ] {
            let want = Duration::from_millis(milliseconds);
            assert_eq!(pause(failures, longest, jitter), want, "{failures}");
        }
    }
}
