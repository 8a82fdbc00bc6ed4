//! A histogram of durations that is recorded without a lock.
//!
//! prometheus-client's own holds a mutex per observation, which every check would meet on every
//! core.

use std::{
    iter,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// How many upper bounds our own durations have: the powers of two of a second from 2^-17 (7.6 µs) to
/// 2^0 (1 s).
///
/// They are the bounds of a native histogram of schema 0, and some of the bounds of every finer one:
/// where these series and those of a native histogram are put together, no bucket has to be split by
/// guessing. The text formats carry classic buckets only; Prometheus makes native histograms of them
/// with `convert_classic_histograms_to_nhcb`.
const POWERS: usize = 18;

/// Shared by all its clones; by default with the bounds of our own durations.
#[derive(Clone, Debug)]
pub(super) struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Upper bounds in seconds, ascending.
    bounds: Box<[f64]>,
    /// One more than bounds: the last takes what is above them all.
    counts: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// A histogram with these upper bounds in seconds. Bounds that are no duration are left out.
    pub(super) fn new(bounds: &[f64]) -> Self {
        let mut bounds: Vec<_> = bounds
            .iter()
            .copied()
            .filter(|bound| Duration::try_from_secs_f64(*bound).is_ok())
            .collect();
        bounds.sort_unstable_by(f64::total_cmp);
        bounds.dedup();
        let counts = iter::repeat_with(AtomicU64::default).take(bounds.len().saturating_add(1));
        Self(Arc::new(Inner {
            counts: counts.collect(),
            bounds: bounds.into(),
            nanoseconds: AtomicU64::new(0),
        }))
    }

    pub(super) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.0.bounds.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        let powers = iter::successors(Some(1.0), |bound| Some(bound / 2.0));
        Self::new(&powers.take(POWERS).collect::<Vec<_>>())
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = self.0.bounds.iter().copied();
        let counts = self.0.counts.iter().map(|count| count.load(Relaxed));
        let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        let count = buckets
            .iter()
            .fold(0, |sum: u64, (_, count)| sum.wrapping_add(*count));
        let sum = Duration::from_nanos(self.0.nanoseconds.load(Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
