//! The events of the decision log's sinks: out of order, and in order again. Records themselves are
//! counted where they are sent or lost.

use std::error::Error;

use super::{decision_log::Sink, metrics::Metrics, text::causes};

/// A sink could not write or send; it tries again, or says what it lost.
#[derive(Clone, Copy, Debug)]
pub struct SinkFailed<'a> {
    /// Which.
    pub sink: Sink,
    /// Where to, without secrets.
    pub place: &'a str,
    /// Why not.
    pub error: &'a (dyn Error + 'static),
    /// How often in a row before.
    pub before: u32,
}

impl SinkFailed<'_> {
    /// Counts and logs it; the same trouble again is no warning again.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.decision_log().failed(self.sink);
        let (sink, place, error) = (self.sink.as_str(), self.place, causes(self.error));
        if self.before == 0 {
            tracing::warn!(sink, place, error, "decision log not written");
        } else {
            tracing::debug!(sink, place, error, "decision log not written again");
        }
    }
}

/// A sink that failed works again.
#[derive(Clone, Copy, Debug)]
pub struct SinkRecovered<'a> {
    /// Which.
    pub sink: Sink,
    /// Where to, without secrets.
    pub place: &'a str,
}

impl SinkRecovered<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let (sink, place) = (self.sink.as_str(), self.place);
        tracing::info!(sink, place, "decision log is written again");
    }
}

/// Something is wrong with the folder where records wait for a sink, or with a file in it.
#[derive(Clone, Copy, Debug)]
pub struct SpillFailed<'a> {
    /// What.
    pub error: &'a (dyn Error + 'static),
    /// How often in a row before.
    pub before: u32,
}

impl SpillFailed<'_> {
    /// Logs it; the same trouble again and again is no warning any more.
    pub fn emit(&self) {
        let error = causes(self.error);
        if self.before < FEW {
            tracing::warn!(error, "trouble with the decision log on disk");
        } else {
            tracing::debug!(error, "trouble with the decision log on disk");
        }
    }
}

/// Several files may each have something wrong with them.
const FEW: u32 = 10;
