//! The words of the decision log: where records go, and why one does not get there.
//!
//! Promises closed sets: each of these is a label value of a metric, never a text from elsewhere. What
//! is lost before the sinks and what a sink loses are different types, because the sum of either is
//! told apart (`sink="all"` or the sink).

use super::metrics::QueueFull;

/// Where records go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sink {
    /// JSON lines on standard error.
    Console,
    /// A file with rotation.
    File,
    /// An HTTP service, as OPA's `decision_logs.service`.
    Service,
    /// OpenTelemetry logs.
    Otlp,
}

impl Sink {
    /// Every sink.
    pub const ALL: [Self; 4] = [Self::Console, Self::File, Self::Service, Self::Otlp];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::File => "file",
            Self::Service => "service",
            Self::Otlp => "otlp",
        }
    }
}

/// Why a decision was left out, as the configuration or a policy wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// Not one of the sample.
    Sampled,
    /// The policy `drop_decision` said so.
    DropDecision,
}

impl Skip {
    /// Every cause.
    pub const ALL: [Self; 2] = [Self::Sampled, Self::DropDecision];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::DropDecision => "drop_decision",
        }
    }
}

/// Why a record was lost before any sink saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The recorder's queue holds as many records as it may.
    QueueRecords,
    /// The recorder's queue holds as many bytes as it may.
    QueueBytes,
    /// The policy `mask_decision` failed: what may be a secret is not shown.
    MaskFailed,
    /// The policy `drop_decision` failed.
    DropFailed,
    /// A defect: the record could not be made.
    Internal,
    /// The server stopped first.
    Shutdown,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 6] = [
        Self::QueueRecords,
        Self::QueueBytes,
        Self::MaskFailed,
        Self::DropFailed,
        Self::Internal,
        Self::Shutdown,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueRecords => "queue_records",
            Self::QueueBytes => "queue_bytes",
            Self::MaskFailed => "mask_failed",
            Self::DropFailed => "drop_failed",
            Self::Internal => "internal",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Why the recorder did not take it.
impl From<QueueFull> for Cause {
    fn from(full: QueueFull) -> Self {
        match full {
            QueueFull::Records => Self::QueueRecords,
            QueueFull::Bytes => Self::QueueBytes,
        }
    }
}

/// Why one sink lost a record that others may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SinkCause {
    /// What waits for this sink is as much as may wait.
    BufferFull,
    /// Over `reporting.max_decisions_per_second`.
    RateLimit,
    /// The record alone is larger than an upload may be.
    TooLarge,
    /// The other side will never take it.
    Rejected,
    /// It could not be written, and will not be tried again.
    WriteFailed,
    /// The buffer on disk is full.
    SpillFull,
    /// The server stopped first.
    Shutdown,
}

impl SinkCause {
    /// Every cause.
    pub const ALL: [Self; 7] = [
        Self::BufferFull,
        Self::RateLimit,
        Self::TooLarge,
        Self::Rejected,
        Self::WriteFailed,
        Self::SpillFull,
        Self::Shutdown,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BufferFull => "buffer_full",
            Self::RateLimit => "rate_limit",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::WriteFailed => "write_failed",
            Self::SpillFull => "spill_full",
            Self::Shutdown => "shutdown",
        }
    }
}
