//! What the verifier is told by the configuration.

use std::time::Duration;

use super::Provider;

/// What the verifier works with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who is trusted, in the order of the configuration; names and issuers are unique.
    pub providers: Vec<Provider>,
    /// What several tokens in one request mean.
    pub several_tokens: SeveralTokens,
    /// How much is remembered.
    pub cache: CacheOptions,
}

/// What several tokens in one request mean, equal or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeveralTokens {
    /// `malformed`.
    #[default]
    Refuse,
    /// The one at the location that stands first in the configuration, and there the first.
    First,
}

/// How much is remembered of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Verified tokens at most; zero turns all remembering off.
    pub max_entries: u64,
    /// Their size together at most, in bytes; what is above 4 GiB counts as 4 GiB.
    pub max_bytes: u64,
    /// The longest time one is remembered.
    pub max_ttl: Duration,
    /// Tokens that failed at most; zero: none.
    pub max_failures: u64,
    /// The time those are remembered.
    pub failure_ttl: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            max_entries: 50_000,
            max_bytes: 64 << 20,
            max_ttl: Duration::from_mins(5),
            max_failures: 10_000,
            failure_ttl: Duration::from_secs(5),
        }
    }
}
