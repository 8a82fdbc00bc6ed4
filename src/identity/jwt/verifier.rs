//! The way of a token: find it, look it up, else verify it and remember the result.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use super::{Document, JwtError, KeyRings, Location, Nudge, Provider, Refresh, Verified};
use crate::{clock::Now, request::RequestView};

/// What the verifier works with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// The one at the location that stands first in the configuration.
    First,
}

/// How much is remembered of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// Verified tokens at most; zero turns remembering off.
    pub max_entries: u64,
    /// Their size together at most, in bytes.
    pub max_bytes: u64,
    /// The longest time one is remembered.
    pub max_ttl: Duration,
    /// Tokens that failed at most.
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

/// Verifies the tokens of requests.
#[derive(Debug)]
pub struct Verifier<D> {
    options: Options,
    keys: KeyRings,
    refreshes: Vec<Refresh>,
    document: PhantomData<fn() -> D>,
}

/// What came of the token of one request.
#[derive(Debug)]
pub struct Presented<'v, D> {
    /// The verified token, or why there is none.
    pub token: Result<Arc<Verified<D>>, JwtError>,
    /// The candidate provider, once there is one.
    pub provider: Option<&'v Provider>,
    /// Whether configuration wants a request without a verified token denied.
    pub denied: bool,
    /// Where tokens were found that must not go upstream.
    pub strip: Vec<&'v Location>,
    /// Whether the result was remembered rather than computed.
    pub cached: bool,
    /// What became of the nudge for an unknown key.
    pub nudge: Option<Nudge>,
}

/// A key that is being fetched and that a check may wait for.
#[derive(Debug)]
pub struct AwaitedKey {
    /// How long at most.
    pub within: Duration,
    refresh: Refresh,
    round: u64,
}

impl AwaitedKey {
    /// Waits until the fetch is over, or for `within`.
    pub async fn arrives(self, within: Duration) {
        drop(tokio::time::timeout(within, self.refresh.after(self.round)).await);
    }
}

impl<D: Document> Verifier<D> {
    /// A verifier without any keys yet.
    pub fn new(options: Options) -> Self {
        let _ = &options;
        todo!("verifier")
    }

    /// Where the keys of the providers are put, in their order.
    pub fn keys(&self) -> &KeyRings {
        &self.keys
    }

    /// How the keys of each provider are asked for, in their order.
    pub fn refreshes(&self) -> &[Refresh] {
        &self.refreshes
    }

    /// The providers.
    pub fn providers(&self) -> &[Provider] {
        &self.options.providers
    }

    /// Whether tokens must be looked at even for a policy that reads nothing of them: a provider
    /// denies on its own or strips tokens.
    pub fn acts_alone(&self) -> bool {
        todo!("verifier")
    }

    /// Whether any provider wants checks to wait for keys.
    pub fn waits_for_keys(&self) -> bool {
        let mut providers = self.options.providers.iter();
        providers.any(|provider| !provider.wait_for_key.is_zero())
    }

    /// The token of a request. Deterministic in the request, the keys and the time.
    pub fn present(&self, request: &RequestView<'_>, now: Now) -> Presented<'_, D> {
        let _ = (request, now, &self.document);
        todo!("verifier")
    }

    /// The key that this request's token needs and that is being fetched now, where a provider
    /// wants checks to wait for it. Nudges the fetch.
    pub fn awaited_key(&self, request: &RequestView<'_>, now: Now) -> Option<AwaitedKey> {
        let _ = (request, now);
        todo!("verifier")
    }
}
