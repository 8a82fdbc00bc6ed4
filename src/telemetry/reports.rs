//! The events of status reports: sent, not sent, logged.

use std::error::Error;

use serde_json::Value;

use super::{metrics::Metrics, text::causes};

/// A service took a report.
#[derive(Clone, Copy, Debug)]
pub struct ReportSent<'a> {
    /// Where to, without secrets.
    pub place: &'a str,
    /// Whether the one before failed.
    pub again: bool,
}

impl ReportSent<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.reports.sent.inc();
        if self.again {
            tracing::info!(place = self.place, "status reports are taken again");
        } else {
            tracing::debug!(place = self.place, "status report sent");
        }
    }
}

/// A service did not take a report; the next one is tried later.
#[derive(Clone, Copy, Debug)]
pub struct ReportFailed<'a> {
    /// Where to, without secrets.
    pub place: &'a str,
    /// Why not.
    pub error: &'a (dyn Error + 'static),
    /// How often in a row before.
    pub before: u32,
}

impl ReportFailed<'_> {
    /// Counts and logs it; the same trouble again is no warning again.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.reports.failed.inc();
        let error = causes(self.error);
        if self.before == 0 {
            tracing::warn!(place = self.place, error, "status report failed");
        } else {
            tracing::debug!(place = self.place, error, "status report failed again");
        }
    }
}

/// A report, as a line of the log (`status.console`).
#[derive(Clone, Copy, Debug)]
pub struct ReportLogged<'a> {
    /// OPA's status document.
    pub report: &'a Value,
}

impl ReportLogged<'_> {
    /// Logs it.
    pub fn emit(&self) {
        tracing::info!(
            kind = "openpolicyagent.org/status",
            report = %self.report,
            "status log"
        );
    }
}
