//! Resident memory over time.

use std::time::Duration;

use crate::verdict::Verdict;

/// What the second half may have over the first on average, in MiB.
const GROWTH: f64 = 8.0;
/// The part at the beginning that does not count: allocator and caches fill.
const WARM_UP: f64 = 0.1;

/// Seconds since the beginning, and MiB.
#[derive(Default)]
pub(super) struct Memory(Vec<(f64, f64)>);

impl Memory {
    pub(super) fn sample(&mut self, at: Duration, resident: f64) {
        self.0.push((at.as_secs_f64(), resident));
    }

    /// What was seen then.
    pub(super) fn between(&self, from: Duration, to: Duration) -> Self {
        let within = from.as_secs_f64()..to.as_secs_f64();
        let samples = self.0.iter().filter(|(at, _)| within.contains(at));
        Self(samples.copied().collect())
    }

    /// In MiB.
    pub(super) fn mean(&self) -> f64 {
        mean(self.0.iter().map(|(_, resident)| *resident))
    }

    /// The line that fits best, in KiB a minute.
    pub(super) fn slope(&self) -> f64 {
        let [x, y] = [mean(self.0.iter().map(|s| s.0)), self.mean()];
        let deviations = self.0.iter().map(|(at, resident)| (at - x, resident - y));
        let (products, squares) = deviations.fold((0.0, 0.0), |(products, squares), (dx, dy)| {
            (products + dx * dy, squares + dx * dx)
        });
        if squares > 0.0 {
            products / squares * 60.0 * 1024.0
        } else {
            0.0
        }
    }

    /// How far values lie from their mean, in MiB.
    fn deviation(&self) -> f64 {
        let middle = self.mean();
        mean(
            self.0
                .iter()
                .map(|(_, resident)| (resident - middle).powi(2)),
        )
        .sqrt()
    }

    /// Flat: the halves differ by no more than each varies in itself.
    pub(super) fn judge(&self, verdict: &mut Verdict) {
        let end = self.0.last().map_or(0.0, |(at, _)| *at);
        let [begin, middle, end] = [WARM_UP, f64::midpoint(WARM_UP, 1.0), 1.0]
            .map(|part| Duration::from_secs_f64(end * part));
        let counted = self.between(begin, end);
        let halves = [self.between(begin, middle), self.between(middle, end)];
        let grown = halves[1].mean() - halves[0].mean();
        let noise = halves.iter().map(Self::deviation).fold(0.0, f64::max);
        println!(
            "  resident {:.2} MiB, then {:.2} MiB on average, slope {:.1} KiB a minute",
            halves[0].mean(),
            halves[1].mean(),
            counted.slope()
        );
        verdict.goal(
            &format!("memory of the second half is {grown:.2} MiB above the first, which varies by {noise:.2} MiB"),
            grown <= noise,
        );
        verdict.must(
            &format!("memory grew by {grown:.2} MiB, at most {GROWTH}"),
            grown <= GROWTH,
        );
    }
}

/// 0 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}
