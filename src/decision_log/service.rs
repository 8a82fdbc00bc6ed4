//! The service sink: records are posted to a server as OPA posts them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::services::Service;

/// Where records are posted, how much at a time and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// `service`.
    pub service: Arc<Service>,
    /// `resource`: the path below its URL.
    pub resource: String,
    /// `reporting.upload_size_limit_bytes`: the most bytes of one upload, compressed.
    pub upload_bytes: usize,
    /// `reporting.buffer_type` and its limit: how much may wait in memory.
    pub limit: Limit,
    /// `reporting.min_delay_seconds`: the shortest pause between two rounds of uploads.
    pub min_delay: Duration,
    /// `reporting.max_delay_seconds`: the longest.
    pub max_delay: Duration,
    /// `reporting.max_decisions_per_second`: what is more is dropped.
    pub most_per_second: Option<f64>,
    /// `reporting.trigger`.
    pub trigger: Trigger,
    /// `portcullis.decision_logs.spill`: where records wait that do not fit into memory.
    pub spill: Option<SpillOptions>,
}

/// How much may wait in memory; then the oldest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `size`: bytes of compressed chunks.
    Bytes(usize),
    /// `event`: records, compressed when they are sent.
    Records(usize),
}

/// When records are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `periodic`: everything, after each pause.
    Periodic,
    /// `immediate`: as soon as there is a chunk, and everything after each pause.
    Immediate,
}

/// A folder in which chunks wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpillOptions {
    /// `directory`.
    pub directory: PathBuf,
    /// `max_bytes`: the most bytes of all files in it; then the oldest goes. Default 1 GiB.
    pub max_bytes: u64,
}
