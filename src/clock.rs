//! The time of one check, read once and passed down, so that expiry and budgets are testable.
//!
//! Nothing on the line of a check reads a clock of its own, apart from the evaluator's limit timer.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// One reading of both clocks: wall time for claims and logs, monotonic time for budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall time since the Unix epoch; zero when the system clock stands before 1970.
    pub unix: Duration,
    /// Monotonic time, unaffected by clock changes.
    pub instant: Instant,
}

/// Where the time comes from: the system, or a fixed reading in tests and replays.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The clocks of this machine.
    #[default]
    System,
    /// Always the same reading.
    Fixed(Now),
    /// Always this wall time, since the Unix epoch, while the monotonic clock runs: a saved request
    /// judged as of its own day.
    AsOf(Duration),
    /// Whatever this says at each reading: clocks that jump, or that go on when a test wants it.
    By(Reading),
}

/// Says what the clocks show.
#[derive(Clone, Copy)]
pub struct Reading(pub &'static (dyn Fn() -> Now + Send + Sync));

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl Clock {
    /// Reads both clocks.
    pub fn now(&self) -> Now {
        match self {
            Self::System => Now {
                unix: system_unix_time(),
                instant: Instant::now(),
            },
            Self::Fixed(now) => *now,
            Self::AsOf(unix) => Now {
                unix: *unix,
                instant: Instant::now(),
            },
            Self::By(Reading(reading)) => reading(),
        }
    }

    /// Reads the monotonic clock alone.
    pub fn instant(&self) -> Instant {
        match self {
            Self::System | Self::AsOf(_) => Instant::now(),
            Self::Fixed(now) => now.instant,
            Self::By(Reading(reading)) => reading().instant,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock everybody else asks"
)]
fn system_unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
}
