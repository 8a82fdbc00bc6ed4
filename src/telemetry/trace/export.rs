//! The events of an exporter of OpenTelemetry: it fails, it goes on.

use std::error::Error;

use crate::telemetry::text::causes;

/// A collector did not take something.
#[derive(Clone, Copy, Debug)]
pub struct ExportFailed<'a> {
    /// What: `spans` or `decisions`.
    pub what: &'static str,
    /// Where to.
    pub place: &'a str,
    /// Why not.
    pub error: &'a (dyn Error + 'static),
    /// How often in a row before.
    pub before: u32,
}

impl ExportFailed<'_> {
    /// Logs it; the same trouble again is no warning again.
    pub fn emit(&self) {
        let (what, place) = (self.what, self.place);
        let error = causes(self.error);
        if self.before == 0 {
            tracing::warn!(what, place, error, "export failed");
        } else {
            tracing::debug!(what, place, error, "export failed again");
        }
    }
}

/// A collector takes things again that did not before.
#[derive(Clone, Copy, Debug)]
pub struct ExportGoesOn<'a> {
    /// What: `spans` or `decisions`.
    pub what: &'static str,
    /// Where to.
    pub place: &'a str,
}

impl ExportGoesOn<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let (what, place) = (self.what, self.place);
        tracing::info!(what, place, "export goes on");
    }
}
