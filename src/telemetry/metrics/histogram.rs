//! A histogram of durations that is recorded without a lock.
//!
//! prometheus-client's own holds a mutex per observation, which every check would meet on every
//! core.

use std::{
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

/// Upper bounds of our own durations, in seconds: 10 µs to 1 s.
const BOUNDS: [f64; 16] = [
    1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0,
];

/// Shared by all its clones; by default with the bounds of our own durations.
#[derive(Clone, Debug)]
pub(super) struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Upper bounds, ascending.
    bounds: Box<[Duration]>,
    /// One more than bounds: the last takes what is above them all.
    counts: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// A histogram with these upper bounds in seconds. Bounds that are no duration are left out.
    pub(super) fn new(bounds: &[f64]) -> Self {
        let mut bounds: Vec<_> = bounds
            .iter()
            .filter_map(|bound| Duration::try_from_secs_f64(*bound).ok())
            .collect();
        bounds.sort_unstable();
        bounds.dedup();
        let counts =
            std::iter::repeat_with(AtomicU64::default).take(bounds.len().saturating_add(1));
        Self(Arc::new(Inner {
            counts: counts.collect(),
            bounds: bounds.into(),
            nanoseconds: AtomicU64::new(0),
        }))
    }

    pub(super) fn observe(&self, duration: Duration) {
        let bucket = self.0.bounds.partition_point(|bound| *bound < duration);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new(&BOUNDS)
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = self.0.bounds.iter().map(Duration::as_secs_f64);
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
