//! The time one check may take (contracts §5): set once at arrival, asked at each stage border.
//!
//! The evaluator is handed what is left as a hard limit of its own; everything else on the line is
//! short and bounded by the size of the request, so asking between stages is enough.

use std::time::{Duration, Instant};

use http::HeaderMap;

use crate::{
    clock::{Clock, Now},
    outcome::{CheckError, Stage},
    policy::Limits,
    telemetry::StageTimes,
};

/// What bounds every check; the same for all of them.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Longest time a check may take, waiting and answering included.
    pub budget: Duration,
    /// What is kept back from the caller's `grpc-timeout` so that the answer still reaches it; at
    /// most half of that time-out.
    pub reply_margin: Duration,
    /// RVM instructions of one evaluation.
    pub instructions: usize,
    /// Bytes that one evaluation may hold at once.
    pub memory: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            budget: Duration::from_millis(100),
            reply_margin: Duration::from_millis(5),
            instructions: 50_000_000,
            memory: 64 * 1024 * 1024,
        }
    }
}

/// The budget of one check.
#[derive(Clone, Debug)]
pub struct Budget {
    clock: Clock,
    began: Instant,
    allowed: Duration,
    instructions: usize,
    memory: u64,
    /// The longest that the next evaluation may take, whatever is left of the budget.
    pub(super) slice: Option<Duration>,
    /// When the last stage ended, counted from `began`.
    spent: Duration,
    evaluation: Option<Duration>,
    times: StageTimes,
}

impl Budget {
    /// A budget that began at `began`, bounded by the options and by the `grpc-timeout` of the call,
    /// which began at `called`.
    pub fn of_call(
        options: &Options,
        clock: Clock,
        metadata: &HeaderMap,
        called: Instant,
        began: Instant,
    ) -> Self {
        let allowed = grpc_timeout(metadata).map_or(options.budget, |timeout| {
            let margin = options
                .reply_margin
                .min(timeout.checked_div(2).unwrap_or_default());
            let gone = began.saturating_duration_since(called);
            let left = timeout.saturating_sub(margin).saturating_sub(gone);
            options.budget.min(left)
        });
        Self {
            clock,
            began,
            allowed,
            instructions: options.instructions,
            memory: options.memory,
            slice: None,
            spent: Duration::ZERO,
            evaluation: None,
            times: StageTimes::default(),
        }
    }

    /// A budget without a caller, for offline decisions and measurements.
    pub fn offline(options: &Options, clock: Clock) -> Self {
        let now = clock.instant();
        Self::of_call(options, clock, &HeaderMap::new(), now, now)
    }

    /// Notes that `stage` is done, and fails when the budget ended before that.
    pub fn spend(&mut self, stage: Stage) -> Result<(), CheckError> {
        let elapsed = self.elapsed();
        let time = elapsed.saturating_sub(self.spent);
        self.times.record(stage, time);
        if stage == Stage::Policy {
            self.evaluation = Some(time);
        }
        self.spent = elapsed;
        if elapsed < self.allowed {
            Ok(())
        } else {
            Err(CheckError::Budget(stage))
        }
    }

    /// How long the last evaluation took.
    pub(super) fn evaluation(&self) -> Option<Duration> {
        self.evaluation
    }

    /// How long each stage took that is done.
    pub fn times(&self) -> &StageTimes {
        &self.times
    }

    /// What the evaluator may still use, as of the last stage border.
    pub fn limits(&self) -> Limits {
        let left = self.allowed.saturating_sub(self.spent);
        Limits {
            time: self.slice.map_or(left, |slice| slice.min(left)),
            instructions: self.instructions,
            memory: self.memory,
        }
    }

    /// The time that claims are judged by.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// What is left of the budget.
    pub fn left(&self) -> Duration {
        self.left_of(self.elapsed())
    }

    /// What is left of the budget when `elapsed` is gone.
    pub(super) fn left_of(&self, elapsed: Duration) -> Duration {
        self.allowed.saturating_sub(elapsed)
    }

    /// When the budget ends.
    pub(super) fn deadline(&self) -> Instant {
        // A budget is a minute at most.
        self.began.checked_add(self.allowed).unwrap_or(self.began)
    }

    /// All the time that the check may take.
    pub(super) fn allowed(&self) -> Duration {
        self.allowed
    }

    /// Whether there was time left when the last stage ended.
    pub(super) fn has_more_than_its_slice(&self) -> bool {
        self.spent < self.allowed
    }

    /// Time since the check arrived.
    pub fn elapsed(&self) -> Duration {
        self.clock.instant().saturating_duration_since(self.began)
    }
}

/// The `grpc-timeout` of a call ("PROTOCOL-HTTP2.md" of gRPC: at most 8 digits and a unit); `None`
/// when it is absent or not of that form.
fn grpc_timeout(metadata: &HeaderMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(value.saturating_mul(60))),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;

    fn budget(grpc_timeout: Option<&str>) -> Duration {
        let mut metadata = HeaderMap::new();
        if let Some(value) = grpc_timeout {
            metadata.insert("grpc-timeout", value.parse().unwrap());
        }
        let now = Clock::System.now();
        Budget::of_call(
            &Options::default(),
            Clock::Fixed(now),
            &metadata,
            now.instant,
            now.instant,
        )
        .allowed
    }

    #[test]
    fn the_callers_timeout_lowers_the_budget_and_never_raises_it() {
        let ms = Duration::from_millis;
        for (timeout, allowed) in [
            (None, ms(100)),
            (Some("600000m"), ms(100)),
            (Some("500m"), ms(100)),
            (Some("1H"), ms(100)),
            (Some("50m"), ms(45)),
            (Some("2m"), ms(1)),
            (Some("4000u"), ms(2)),
            (Some("0m"), ms(0)),
        ] {
            assert_eq!(budget(timeout), allowed, "{timeout:?}");
        }
    }

    #[test]
    fn what_the_caller_took_for_its_request_is_time_of_the_caller_alone() {
        let ms = Duration::from_millis;
        let now = Clock::System.now();
        let mut metadata = HeaderMap::new();
        let allowed = |metadata: &HeaderMap, took| {
            let began = now.instant + took;
            let clock = Clock::Fixed(now);
            Budget::of_call(&Options::default(), clock, metadata, now.instant, began).allowed
        };
        assert_eq!(allowed(&metadata, ms(900)), ms(100));
        metadata.insert("grpc-timeout", "500m".parse().unwrap());
        assert_eq!(allowed(&metadata, ms(300)), ms(100));
        assert_eq!(allowed(&metadata, ms(450)), ms(45));
        assert_eq!(allowed(&metadata, ms(600)), ms(0));
    }

    #[test]
    fn a_timeout_of_wrong_form_leaves_the_budget() {
        for timeout in [
            "",
            "m",
            "5",
            "-5m",
            "+5m",
            "5x",
            "123456789m",
            "5 m",
            "1.5S",
        ] {
            assert_eq!(
                budget(Some(timeout)),
                Duration::from_millis(100),
                "{timeout}"
            );
        }
    }

    #[test]
    fn a_stage_that_ends_after_the_budget_ends_the_check() {
        let began = Clock::System.now();
        let at = |after: u64| {
            Clock::Fixed(Now {
                unix: began.unix,
                instant: began.instant + Duration::from_millis(after),
            })
        };
        let at_time = |after| Budget {
            clock: at(after),
            ..Budget::offline(&Options::default(), at(0))
        };
        assert!(at_time(99).spend(Stage::Input).is_ok());
        assert!(matches!(
            at_time(100).spend(Stage::Input),
            Err(CheckError::Budget(Stage::Input))
        ));
        for (after, left) in [(99, 1), (200, 0)] {
            let mut budget = at_time(after);
            assert_eq!(budget.spend(Stage::Input).is_ok(), left > 0);
            assert_eq!(budget.limits().time, Duration::from_millis(left));
        }
    }
}
