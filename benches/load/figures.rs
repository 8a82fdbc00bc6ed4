//! Figures out of many measurements.

use std::time::Duration;

/// The value that `percent` of `values` do not exceed.
pub(crate) fn percentile(values: impl IntoIterator<Item = f64>, percent: usize) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

/// The value in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 50)
}

/// In microseconds.
pub(crate) fn latency(latencies: &[Duration], percent: usize) -> f64 {
    percentile(latencies.iter().map(Duration::as_secs_f64), percent) * 1e6
}

/// The middle of these ratios, and where their middle half lies.
pub(crate) fn spread(ratios: &[f64]) -> String {
    let [low, middle, high] = [25, 50, 75].map(|at| percentile(ratios.iter().copied(), at));
    format!("{middle:.2} (middle half {low:.2} to {high:.2})")
}
