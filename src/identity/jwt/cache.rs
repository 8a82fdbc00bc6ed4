//! What is remembered of tokens: the verified ones, and apart from them those that failed.
//!
//! Promises: a result is found again only for the same token, found at the same place, under the same
//! configuration of all providers and the same keys; a token is served only within its own time and at
//! most `max_ttl`; both parts are bounded, and no failure takes the room of a verified token. The
//! time is the check's own, so moka's clock only cleans up.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use moka::sync::Cache as Moka;

use super::{CacheOptions, Document, JwtError, KeyRing, Provider, Verified, claims::Window};
use crate::clock::Now;

mod digest;

pub(super) use digest::{Digest, Digests};

/// What is remembered; `None` parts are turned off.
pub(super) struct Cache<D> {
    digests: Digests,
    options: CacheOptions,
    verified: Option<Moka<Digest, Entry<Success<D>>>>,
    failed: Option<Moka<Digest, Entry<JwtError>>>,
}

/// A verified token and when it counts.
#[derive(Debug)]
pub(super) struct Success<D> {
    pub(super) token: Arc<Verified<D>>,
    pub(super) window: Window,
}

impl<D> Clone for Success<D> {
    fn clone(&self) -> Self {
        Self {
            token: Arc::clone(&self.token),
            window: self.window,
        }
    }
}

/// A result and on what it rests.
#[derive(Clone, Debug)]
struct Entry<T> {
    result: T,
    basis: Basis,
}

/// On what a result rests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Basis {
    pub(super) provider: usize,
    /// Whether the key was of the provider's key set, rather than its secret.
    pub(super) by_key_set: bool,
    /// When it was computed.
    pub(super) at: Instant,
}

impl Basis {
    /// Whether it may still be used: what rests on a key set ends with that.
    fn holds(self, ttl: Duration, ring: &KeyRing, now: Instant) -> bool {
        let in_time = now.saturating_duration_since(self.at) < ttl;
        in_time && (!self.by_key_set || ring.usable(self.provider, now).is_some())
    }
}

/// A result and the provider that it is of.
type Recalled<D> = (Result<Arc<Verified<D>>, JwtError>, usize);

impl<D: Document> Cache<D> {
    pub(super) fn new(options: CacheOptions, providers: &[Provider]) -> Self {
        let on = options.max_entries > 0;
        // moka weighs in 32 bits; no more than that together keeps every sum exact.
        let max_bytes = options.max_bytes.min(u32::MAX.into());
        // With this least weight, the bound in bytes is one in entries too.
        let least = max_bytes.div_ceil(options.max_entries.max(1));
        let weigh = move |_: &Digest, entry: &Entry<Success<D>>| {
            let weight = least.max(entry.result.size());
            u32::try_from(weight).unwrap_or(u32::MAX)
        };
        let verified = Moka::builder()
            .max_capacity(max_bytes)
            .weigher(weigh)
            .time_to_live(options.max_ttl.min(LONGEST))
            .build();
        let failed = Moka::builder()
            .max_capacity(options.max_failures)
            .time_to_live(options.failure_ttl.min(LONGEST))
            .build();
        Self {
            digests: Digests::of(providers),
            options,
            verified: on.then_some(verified),
            failed: (on && options.max_failures > 0).then_some(failed),
        }
    }

    /// Under what the results for this token are remembered; `None` when nothing is.
    pub(super) fn key(&self, ring: &KeyRing, place: usize, token: &str) -> Option<Digest> {
        let on = self.verified.is_some();
        on.then(|| self.digests.of_token(ring.generation(), place, token))
    }

    /// The result for a token, if it may be used now, and its provider.
    pub(super) fn recall(&self, key: &Digest, ring: &KeyRing, now: Now) -> Option<Recalled<D>> {
        if let Some(Entry { result, basis }) = self.verified.as_ref()?.get(key)
            && basis.holds(self.options.max_ttl, ring, now.instant)
            && result.window.check(now.unix).is_ok()
        {
            return Some((Ok(result.token), basis.provider));
        }
        let Entry { result, basis } = self.failed.as_ref()?.get(key)?;
        let holds = basis.holds(self.options.failure_ttl, ring, now.instant);
        holds.then_some((Err(result), basis.provider))
    }

    /// Remembers what came of verifying a signature. A token that only comes too early may be good
    /// at any moment, so that is not remembered.
    pub(super) fn remember(
        &self,
        key: Digest,
        result: &Result<Success<D>, JwtError>,
        basis: Basis,
    ) {
        match result {
            Ok(success) => {
                if let Some(verified) = &self.verified {
                    let result = success.clone();
                    verified.insert(key, Entry { result, basis });
                }
            }
            Err(JwtError::NotYetValid) => {}
            Err(error) => {
                if let Some(failed) = &self.failed {
                    let result = *error;
                    failed.insert(key, Entry { result, basis });
                }
            }
        }
    }
}

impl<D: Document> Success<D> {
    /// About how many bytes it takes.
    fn size(&self) -> u64 {
        let token = &self.token.token;
        let audiences = token.audiences.iter().map(|audience| {
            let text = audience.capacity();
            text.saturating_add(size_of::<String>())
        });
        let bytes = [
            token.subject.as_ref().map_or(0, |subject| subject.len()),
            token.header.capacity(),
            token.claims.capacity(),
            self.token.document.size(),
        ];
        let sum = bytes
            .into_iter()
            .chain(audiences)
            .fold(ENTRY_BYTES, usize::saturating_add);
        u64::try_from(sum).unwrap_or(u64::MAX)
    }
}

/// Shows no content: claims are personal data.
impl<D> fmt::Debug for Cache<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What an entry takes beside the texts: the token, the key and moka's own nodes.
const ENTRY_BYTES: usize = 512;
/// moka takes no time-to-live that is much longer.
const LONGEST: Duration = Duration::from_hours(24 * 365);

#[cfg(test)]
impl<D: Document> Cache<D> {
    /// How many verified tokens are remembered, and their weight, once moka has settled.
    pub(super) fn size(&self) -> (u64, u64) {
        let Some(verified) = &self.verified else {
            return (0, 0);
        };
        verified.run_pending_tasks();
        (verified.entry_count(), verified.weighted_size())
    }
}
