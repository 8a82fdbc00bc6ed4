//! A gauge of the time that has passed since a moment, computed when it is scraped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric},
};

use crate::clock::Clock;

/// The time since a moment, in seconds; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Age(
    /// Milliseconds since the Unix epoch.
    Arc<AtomicU64>,
);

impl Age {
    /// Sets the moment, since the Unix epoch.
    pub(super) fn set(&self, since: Duration) {
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis, Relaxed);
    }
}

impl Default for Age {
    /// No time at all, for the moment between making a series and setting it.
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl TypedMetric for Age {
    const TYPE: MetricType = MetricType::Gauge;
}

impl EncodeMetric for Age {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let since = Duration::from_millis(self.0.load(Relaxed));
        let age = Clock::System.now().unix.saturating_sub(since);
        encoder.encode_gauge(&age.as_secs_f64())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
