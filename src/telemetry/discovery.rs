//! The events of discovery: a configuration was found and put to use, or not.

use std::error::Error;

use super::{
    metrics::Metrics,
    text::{causes, shown},
};

/// A configuration that was found is in use from now on.
#[derive(Clone, Copy, Debug)]
pub struct ConfigurationDiscovered<'a> {
    /// The revision of the bundle it was in.
    pub revision: Option<&'a str>,
    /// How many bundles there are now.
    pub bundles: usize,
    /// What the configuration of the start stands over.
    pub overridden: &'a [String],
    /// The sections that need a restart.
    pub not_applied: &'a [String],
}

impl ConfigurationDiscovered<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.reports.discovered.inc();
        tracing::info!(
            bundle.revision = self.revision.map(shown).as_deref(),
            bundles = self.bundles,
            overridden = self.overridden.join(", "),
            "discovered configuration in use"
        );
        if !self.not_applied.is_empty() {
            tracing::warn!(
                sections = self.not_applied.join(", "),
                "discovered sections need a restart and are left out"
            );
        }
    }
}

/// A configuration that was found cannot be used; the last good one stays.
#[derive(Clone, Copy, Debug)]
pub struct ConfigurationRejected<'a> {
    /// The revision of the bundle it was in.
    pub revision: Option<&'a str>,
    /// Why not.
    pub error: &'a (dyn Error + 'static),
}

impl ConfigurationRejected<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.reports.not_discovered.inc();
        tracing::warn!(
            bundle.revision = self.revision.map(shown).as_deref(),
            error = causes(self.error),
            "discovered configuration rejected"
        );
    }
}
