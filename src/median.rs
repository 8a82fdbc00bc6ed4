//! A running median: what is usual among many durations, whatever the few are like.
//!
//! One number, moved by a sixteenth towards each duration that is noted. A hostile minority can move it
//! no further than to the edge of what the others take, and a burst is forgotten as fast as it came.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The duration that about half of those noted lately stay below; zero before the first.
///
/// Threads may note at the same time: one note may then be lost.
#[derive(Debug, Default)]
pub(crate) struct Median {
    nanoseconds: AtomicU64,
}

impl Median {
    /// One that has seen `duration` so often that a few others move it little.
    pub(crate) fn of(duration: Duration) -> Self {
        let median = Self::default();
        median.note(duration);
        median
    }

    pub(crate) fn note(&self, duration: Duration) {
        let noted = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let before = self.nanoseconds.load(Ordering::Relaxed);
        let step = before.checked_div(16).unwrap_or_default().max(1);
        let after = if before == 0 {
            noted
        } else if noted > before {
            before.saturating_add(step).min(noted)
        } else {
            before.saturating_sub(step).max(noted).max(1)
        };
        self.nanoseconds.store(after, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(notes: impl IntoIterator<Item = u64>) -> u64 {
        let median = Median::default();
        for note in notes {
            median.note(Duration::from_micros(note));
        }
        u64::try_from(median.get().as_micros()).unwrap()
    }

    #[test]
    fn the_first_duration_is_usual_until_there_are_others() {
        assert_eq!(of([]), 0);
        assert_eq!(of([70]), 70);
    }

    #[test]
    fn a_minority_moves_it_no_further_than_to_the_edge_of_the_others() {
        let with_slow = (0..10_000).map(|at| if at % 3 == 0 { 100_000 } else { 50 + at % 2 });
        let usual = of(with_slow);
        assert!((45..=60).contains(&usual), "{usual}");
    }

    #[test]
    fn what_changes_for_all_is_usual_soon() {
        let usual = of([50; 100].into_iter().chain([1_000; 200]));
        assert_eq!(usual, 1_000);
        let usual = of([1_000; 100].into_iter().chain([50; 200]));
        assert_eq!(usual, 50);
    }

    #[test]
    fn the_longest_and_the_shortest_duration_are_noted_like_any_other() {
        let median = Median::default();
        for note in [Duration::MAX, Duration::ZERO, Duration::MAX] {
            median.note(note);
        }
        assert!(median.get() > Duration::ZERO);
    }
}
