//! The events of key sets: fetched, given, kept on disk. No line shows what was fetched, nor the user
//! info or query of a URL.

use std::{error::Error, time::Duration};

use super::{
    metrics::Metrics,
    text::{causes, shown},
};

/// Why keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchCause {
    /// For the first time.
    Startup,
    /// It is time, or time to try again.
    Ttl,
    /// A token names a key that is not in the set.
    UnknownKid,
}

impl FetchCause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Ttl, Self::UnknownKid];

    /// The label and log value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Ttl => "ttl",
            Self::UnknownKid => "unknown_kid",
        }
    }
}

/// How a fetch ended, as metrics tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchResult {
    /// A set came.
    Success,
    /// The last set is still the one.
    NotModified,
    /// No set came.
    Failure,
}

impl FetchResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Success, Self::NotModified, Self::Failure];

    /// The label and log value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::NotModified => "not_modified",
            Self::Failure => "failure",
        }
    }
}

/// The keys of a provider will be fetched.
#[derive(Clone, Copy, Debug)]
pub struct KeysFollowed<'a> {
    /// The provider.
    pub provider: &'a str,
    /// From where.
    pub source: &'a str,
}

impl KeysFollowed<'_> {
    /// Shows its metrics and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.jwks.expect(self.provider);
        tracing::debug!(
            jwt.provider = self.provider,
            jwks.source = self.source,
            "keys followed"
        );
    }
}

/// A fetch of keys has ended.
#[derive(Clone, Copy, Debug)]
pub struct KeysFetched<'a> {
    /// The provider.
    pub provider: &'a str,
    /// From where.
    pub source: &'a str,
    /// Why.
    pub cause: FetchCause,
    /// How it ended.
    pub outcome: Fetched<'a>,
    /// When, since the Unix epoch.
    pub at: Duration,
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug)]
pub enum Fetched<'a> {
    /// With another set than the last.
    Changed {
        /// How many keys can be used.
        keys: usize,
        /// How many cannot.
        skipped: usize,
    },
    /// With the set there was.
    Same {
        /// How many keys can be used.
        keys: usize,
    },
    /// The server says that nothing has changed.
    NotModified {
        /// How many keys can be used.
        keys: usize,
    },
    /// Without a set; the last one stays.
    Failed {
        /// Why.
        error: &'a (dyn Error + 'static),
        /// How much longer the last set may be used; zero when there is none, or not any more.
        usable_for: Duration,
    },
}

impl KeysFetched<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self {
            provider, source, ..
        } = *self;
        let cause = self.cause.as_str();
        let result = self.outcome.result();
        metrics.jwks.fetched(provider, self.cause, result);
        if let Some(keys) = self.outcome.keys() {
            metrics.jwks.fresh(provider, self.at);
            metrics.jwks.usable(provider, keys);
        }
        match self.outcome {
            Fetched::Changed { keys: 0, skipped } => tracing::warn!(
                jwt.provider = provider,
                jwks.source = source,
                jwks.cause = cause,
                jwks.skipped = skipped,
                "keys withdrawn: the set has none that can be used, every token is refused"
            ),
            Fetched::Changed { keys, skipped } => tracing::info!(
                jwt.provider = provider,
                jwks.source = source,
                jwks.cause = cause,
                jwks.keys = keys,
                jwks.skipped = skipped,
                "keys changed"
            ),
            Fetched::Same { keys } | Fetched::NotModified { keys } => tracing::debug!(
                jwt.provider = provider,
                jwks.source = source,
                jwks.cause = cause,
                jwks.result = result.as_str(),
                jwks.keys = keys,
                "keys confirmed"
            ),
            Fetched::Failed { error, usable_for } => tracing::warn!(
                jwt.provider = provider,
                jwks.source = source,
                jwks.cause = cause,
                jwks.usable_s = usable_for.as_secs(),
                error = causes(error),
                "keys not fetched"
            ),
        }
    }
}

impl Fetched<'_> {
    fn result(&self) -> FetchResult {
        match self {
            Self::Changed { .. } | Self::Same { .. } => FetchResult::Success,
            Self::NotModified { .. } => FetchResult::NotModified,
            Self::Failed { .. } => FetchResult::Failure,
        }
    }

    fn keys(&self) -> Option<usize> {
        match *self {
            Self::Changed { keys, .. } | Self::Same { keys } | Self::NotModified { keys } => {
                Some(keys)
            }
            Self::Failed { .. } => None,
        }
    }
}

/// A key of a new set cannot be used; the others can.
#[derive(Clone, Copy, Debug)]
pub struct KeySkipped<'a> {
    /// The provider.
    pub provider: &'a str,
    /// Its place in the set, counted from 0.
    pub at: usize,
    /// Its `kid`.
    pub kid: Option<&'a str>,
    /// Why it cannot be used.
    pub why: &'a str,
}

impl KeySkipped<'_> {
    /// Logs it.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::warn!(
            jwt.provider = self.provider,
            jwks.at = self.at,
            jwks.kid = self.kid.map(shown).as_deref(),
            jwks.why = %shown(self.why),
            "key skipped"
        );
    }
}

/// Keys that stand in the configuration are in use.
#[derive(Clone, Copy, Debug)]
pub struct KeysGiven<'a> {
    /// The provider.
    pub provider: &'a str,
    /// How many keys can be used.
    pub keys: usize,
}

impl KeysGiven<'_> {
    /// Shows it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.jwks.usable(self.provider, self.keys);
        tracing::debug!(
            jwt.provider = self.provider,
            jwks.keys = self.keys,
            "keys given"
        );
    }
}

/// Keys that an earlier process has left on disk are in use.
#[derive(Clone, Copy, Debug)]
pub struct KeysRestored<'a> {
    /// The provider.
    pub provider: &'a str,
    /// How many keys can be used.
    pub keys: usize,
    /// When they were fetched, since the Unix epoch.
    pub fetched_at: Duration,
}

impl KeysRestored<'_> {
    /// Shows and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.jwks.fresh(self.provider, self.fetched_at);
        metrics.jwks.usable(self.provider, self.keys);
        tracing::info!(
            jwt.provider = self.provider,
            jwks.keys = self.keys,
            jwks.fetched_at = self.fetched_at.as_secs(),
            "keys restored from disk"
        );
    }
}

/// Keys that were left on disk are not used.
#[derive(Clone, Copy, Debug)]
pub struct KeysNotRestored<'a> {
    /// The provider.
    pub provider: &'a str,
    /// Why not.
    pub error: &'a (dyn Error + 'static),
}

impl KeysNotRestored<'_> {
    /// Logs it.
    pub fn emit(&self, _metrics: &Metrics) {
        tracing::warn!(
            jwt.provider = self.provider,
            error = causes(self.error),
            "keys on disk ignored"
        );
    }
}

/// Keys could not be written to disk: a restart has to fetch them.
#[derive(Clone, Copy, Debug)]
pub struct KeysNotPersisted<'a> {
    /// The provider.
    pub provider: &'a str,
    /// Why not.
    pub error: &'a (dyn Error + 'static),
}

impl KeysNotPersisted<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.jwks.not_persisted(self.provider);
        tracing::warn!(
            jwt.provider = self.provider,
            error = causes(self.error),
            "keys not persisted"
        );
    }
}

#[cfg(test)]
mod tests;
