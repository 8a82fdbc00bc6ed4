//! The metrics of the recorder: what was lost before any consumer saw it.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

use super::{counters::Counters, registered};

/// Why the queue did not take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueFull {
    /// It holds as many records as it may.
    Records,
    /// It holds as many bytes as it may.
    Bytes,
}

impl QueueFull {
    /// Every cause.
    pub const ALL: [Self; 2] = [Self::Records, Self::Bytes];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Records => "queue_records",
            Self::Bytes => "queue_bytes",
        }
    }
}

/// Every series; clones share them.
#[derive(Clone, Debug)]
pub struct Recorder {
    dropped: Counters<QueueFull>,
    panics: Counter,
}

impl Recorder {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let dropped = registered(
            registry,
            "recorder_dropped",
            "Records of checks that were lost before any consumer saw them",
        );
        Self {
            dropped: Counters::of(&dropped, "cause", &QueueFull::ALL, QueueFull::as_str),
            panics: registered(
                registry,
                "recorder_panics",
                "Panics while checks were told of",
            ),
        }
    }

    /// Counts a record that the queue did not take.
    pub fn dropped(&self, cause: QueueFull) {
        self.dropped.add(cause, 1);
    }

    /// Counts a panic of a consumer, which loses the record.
    pub fn panicked(&self) {
        self.panics.inc();
    }
}
