//! The decision log: one record a check, in OPA's event schema, to wherever it is wanted.
//!
//! Runs on the recorder's thread. A record is made once and offered to every sink; no sink waits for
//! anything there, and each counts what it takes and what it loses.

mod chunk;
pub mod console;
mod consumer;
pub mod event;
pub mod file;
mod lines;
mod mask;
pub mod otlp;
mod rate;
#[cfg(test)]
mod samples;
pub mod service;
mod spill;

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{
    outcome::Answer,
    telemetry::{DecisionId, Trace},
};
pub use consumer::DecisionLog;

/// One record, finished: redacted, masked, encoded.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event as one JSON object, without a line break in it or after it.
    pub json: Bytes,
    /// When the check was answered, since the Unix epoch.
    pub at: Duration,
    /// The decision's id.
    pub decision_id: DecisionId,
    /// What the check was answered with, dry-run apart.
    pub answer: Answer,
    /// Where the check stands in a distributed trace.
    pub trace: Option<Trace>,
}

/// A place that records go to. On the recorder's thread: nothing here may wait for disk or network.
pub trait Sink: Send {
    /// Takes an entry, or drops and counts it.
    fn offer(&mut self, entry: &Entry);

    /// Nothing else is waiting: a moment to hand on what was collected.
    fn idle(&mut self) {}

    /// Nothing will be offered any more: begins to deliver what was taken, and waits for nothing. Every
    /// sink is told so before one is waited for.
    fn close(&mut self, _deadline: Instant) {}

    /// After [`close`](Self::close): waits until what was taken is delivered, until `deadline` at the
    /// latest; what is not is counted.
    fn finish(&mut self, deadline: Instant);
}
