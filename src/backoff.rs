//! How long is waited before something that failed is tried again.

use std::time::Duration;

/// Twice as long after each failure, from `first` up to `longest`; `jitter`, up to 1, takes up to half of
/// it away.
pub(crate) fn pause(failures: u32, first: Duration, longest: Duration, jitter: f64) -> Duration {
    first
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(longest)
        .mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_from_the_first_to_the_longest_and_jitter_halves_it_at_most() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        for (failures, jitter, milliseconds) in [
            (0, 0.0, 100),
            (0, 1.0, 50),
            (2, 0.0, 400),
            (2, 0.5, 300),
            (4, 0.0, 1_000),
            (u32::MAX, 7.0, 500),
        ] {
            let want = Duration::from_millis(milliseconds);
            assert_eq!(
                pause(failures, first, longest, jitter),
                want,
                "{failures} {jitter}"
            );
        }
    }
}
