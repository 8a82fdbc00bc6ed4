//! The metrics of traces.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

use super::{counters::Counters, registered};

/// Why a span was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanLoss {
    /// As many wait as may.
    QueueFull,
    /// The collector did not take it.
    ExportFailed,
}

impl SpanLoss {
    /// Every cause.
    pub const ALL: [Self; 2] = [Self::QueueFull, Self::ExportFailed];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ExportFailed => "export_failed",
        }
    }
}

/// Every series; clones share them.
#[derive(Clone, Debug)]
pub struct Spans {
    exported: Counter,
    dropped: Counters<SpanLoss>,
}

impl Spans {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let dropped = registered(registry, "spans_dropped", "Spans that were lost, by cause");
        Self {
            exported: registered(registry, "spans_exported", "Spans that the collector took"),
            dropped: Counters::of(&dropped, "cause", &SpanLoss::ALL, SpanLoss::as_str),
        }
    }

    /// Counts `n` spans that the collector took.
    pub fn exported(&self, n: u64) {
        self.exported.inc_by(n);
    }

    /// Counts `n` spans that were lost.
    pub fn dropped(&self, cause: SpanLoss, n: u64) {
        self.dropped.add(cause, n);
    }
}
