//! A gauge of a moment, not shown while there is none.

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, gauge::Gauge},
};

/// A moment in seconds since the Unix epoch; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Moment(
    /// Not a number while there is no moment.
    Gauge<f64, AtomicU64>,
);

impl Moment {
    /// Sets the moment, since the Unix epoch.
    pub(super) fn set(&self, at: Option<Duration>) {
        self.0.set(at.map_or(f64::NAN, |at| at.as_secs_f64()));
    }
}

impl Default for Moment {
    fn default() -> Self {
        let moment = Self(Gauge::default());
        moment.set(None);
        moment
    }
}

impl TypedMetric for Moment {
    const TYPE: MetricType = MetricType::Gauge;
}

impl EncodeMetric for Moment {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }

    fn is_empty(&self) -> bool {
        self.0.get().is_nan()
    }
}
