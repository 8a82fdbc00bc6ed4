//! The way of a token: find it, look it up, else verify it and remember the result.
//!
//! Promises: claims are looked at only behind a good signature, apart from the `iss` that selects the
//! candidate; HMAC algorithms meet the provider's secret and no key of a set, all others the reverse;
//! one ring of keys serves the whole of a call.

mod consequence;
mod prove;

use std::{sync::Arc, time::Instant};

use super::{
    AwaitedKey, Document, JwtError, KeyRing, KeyRings, Nudge, OnFailure, Options, Presented,
    Provider, Refresh, SeveralTokens, Verified,
    cache::{Basis, Cache, Digest},
    candidate::{Candidate, Refused},
    find::{Found, Places, Token},
};
use crate::{clock::Now, identity::jose::VerifyingKey, request::RequestView};
use prove::prove;

/// Verifies the tokens of requests.
#[derive(Debug)]
pub struct Verifier<D> {
    options: Options,
    places: Places,
    /// The HMAC key of each provider that has one.
    secrets: Vec<Option<VerifyingKey>>,
    keys: KeyRings,
    refreshes: Vec<Refresh>,
    cache: Cache<D>,
}

/// What came of one token.
struct Attempt<D> {
    token: Result<Arc<Verified<D>>, JwtError>,
    provider: Option<usize>,
    cached: bool,
    nudge: Option<Nudge>,
}

impl<D> Attempt<D> {
    fn refused(refused: Refused) -> Self {
        Self {
            token: Err(refused.error),
            provider: refused.provider,
            cached: false,
            nudge: None,
        }
    }

    fn computed(
        token: Result<Arc<Verified<D>>, JwtError>,
        provider: usize,
        nudge: Option<Nudge>,
    ) -> Self {
        Self {
            token,
            provider: Some(provider),
            cached: false,
            nudge,
        }
    }

    fn remembered(token: Result<Arc<Verified<D>>, JwtError>, provider: usize) -> Self {
        Self {
            token,
            provider: Some(provider),
            cached: true,
            nudge: None,
        }
    }
}

impl<D: Document> Verifier<D> {
    /// The longest token that is looked into, in bytes. Envoy takes 60 KiB of headers at most.
    pub const MAX_TOKEN: usize = 32 * 1024;

    /// A verifier without any keys yet.
    pub fn new(options: Options) -> Self {
        let secret = |provider: &Provider| {
            let secret = provider.secret.as_ref()?;
            Some(VerifyingKey::from_secret(secret.expose()))
        };
        let providers = &options.providers;
        Self {
            places: Places::of(providers),
            secrets: providers.iter().map(secret).collect(),
            keys: KeyRings::new(providers.len()),
            refreshes: providers
                .iter()
                .map(|provider| Refresh::new(provider.min_refresh))
                .collect(),
            cache: Cache::new(options.cache, providers),
            options,
        }
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
        self.providers().iter().any(|provider| {
            provider.strip_on_allow
                || provider.on_missing == OnFailure::Deny
                || provider.on_invalid == OnFailure::Deny
        })
    }

    /// Whether any provider wants checks to wait for keys.
    pub fn waits_for_keys(&self) -> bool {
        let mut providers = self.options.providers.iter();
        providers.any(Provider::waits_for_keys)
    }

    /// The token of a request. Deterministic in the request, the keys and the time, apart from
    /// `cached` and `nudge`.
    pub fn present(&self, request: &RequestView<'_>, now: Now) -> Presented<'_, D> {
        let found = self.places.find(request);
        let attempt = match self.only(&found) {
            Ok(token) => self.attempt(token, now),
            Err(error) => Attempt::refused(error.into()),
        };
        Presented {
            provider: attempt.provider.and_then(|at| self.providers().get(at)),
            denied: attempt.token.is_err() && self.denies(&found, attempt.provider),
            strip: self.strip(&found, attempt.provider),
            token: attempt.token,
            cached: attempt.cached,
            nudge: attempt.nudge,
        }
    }

    /// The key that this request's token needs and that is being fetched now, where a provider
    /// wants checks to wait for it; see [`waits_for_keys`](Self::waits_for_keys). Nudges the fetch.
    pub fn awaited_key(&self, request: &RequestView<'_>, now: Now) -> Option<AwaitedKey> {
        let found = self.places.find(request);
        let token = self.only(&found).ok()?;
        let ring = self.keys.snapshot().load();
        let ring = ring.as_deref()?;
        let key = self.cache.key(ring, token.place, &token.text);
        if key.is_some_and(|key| self.recall(&key, ring, now).is_some()) {
            return None;
        }
        let candidate = self.candidate(token).ok()?;
        if !candidate.provider.waits_for_keys() {
            return None;
        }
        let error = self.key_of(&candidate, ring, now.instant).err()?;
        if error != JwtError::UnknownKey && error != JwtError::KeysUnavailable {
            return None;
        }
        let refresh = self.refreshes.get(candidate.at)?;
        let round = refresh.rounds();
        let nudge = self.nudge(&candidate, now)?;
        let comes = nudge == Nudge::Accepted || refresh.is_under_way(now.instant);
        comes.then(|| AwaitedKey {
            within: candidate.provider.wait_for_key,
            refresh: refresh.clone(),
            round,
        })
    }

    /// The token that counts among those that were found.
    fn only<'f, 'r>(&self, found: &'f Found<'r>) -> Result<&'f Token<'r>, JwtError> {
        let token = found.first.as_ref().ok_or(JwtError::Missing)?;
        let several = match self.options.several_tokens {
            SeveralTokens::Refuse => !found.others.is_empty(),
            SeveralTokens::First => false,
        };
        if several || token.text.len() > Self::MAX_TOKEN {
            return Err(JwtError::Malformed);
        }
        Ok(token)
    }

    fn attempt(&self, token: &Token<'_>, now: Now) -> Attempt<D> {
        // Where nobody is trusted, no work is done to find that out.
        if self.places.providers_at(token.place).is_empty() {
            return Attempt::refused(JwtError::UnknownIssuer.into());
        }
        let ring = self.keys.snapshot().load();
        let Some(ring) = ring.as_deref() else {
            return Attempt::refused(JwtError::KeysUnavailable.into());
        };
        let key = self.cache.key(ring, token.place, &token.text);
        if let Some(known) = key.and_then(|key| self.recall(&key, ring, now)) {
            return known;
        }
        match self.candidate(token) {
            Ok(candidate) => self.verify(candidate, ring, key, now),
            Err(refused) => Attempt::refused(refused),
        }
    }

    fn recall(&self, key: &Digest, ring: &KeyRing, now: Now) -> Option<Attempt<D>> {
        let (token, provider) = self.cache.recall(key, ring, now)?;
        Some(Attempt::remembered(token, provider))
    }

    fn candidate<'t>(&self, token: &'t Token<'_>) -> Result<Candidate<'t, '_>, Refused> {
        let among = self.places.providers_at(token.place);
        Candidate::read(&token.text, among, self.providers())
    }

    /// Verifies the signature, then the claims. Only what cost that is remembered.
    fn verify(
        &self,
        candidate: Candidate<'_, '_>,
        ring: &KeyRing,
        key: Option<Digest>,
        now: Now,
    ) -> Attempt<D> {
        let basis = Basis {
            provider: candidate.at,
            by_key_set: !candidate.algorithm.is_symmetric(),
            at: now.instant,
        };
        let result = match self.key_of(&candidate, ring, now.instant) {
            Ok(verifying_key) => prove(candidate, verifying_key, now),
            Err(error) => {
                let nudge = (error == JwtError::UnknownKey).then(|| self.nudge(&candidate, now));
                return Attempt::computed(Err(error), basis.provider, nudge.flatten());
            }
        };
        if let Some(key) = key {
            self.cache.remember(key, &result, basis);
        }
        Attempt::computed(result.map(|success| success.token), basis.provider, None)
    }

    /// The key that the token must be signed with: of the provider's secret or of its key set, as the
    /// algorithm says, and never of the other.
    fn key_of<'k>(
        &'k self,
        candidate: &Candidate<'_, '_>,
        ring: &'k KeyRing,
        now: Instant,
    ) -> Result<&'k VerifyingKey, JwtError> {
        if candidate.algorithm.is_symmetric() {
            let secret = self.secrets.get(candidate.at).and_then(Option::as_ref);
            return secret.ok_or(JwtError::Algorithm);
        }
        let set = ring.usable(candidate.at, now);
        set.ok_or(JwtError::KeysUnavailable)?
            .find(candidate.kid.as_deref(), candidate.algorithm)
    }

    /// Asks for the key that is missing; a token without a `kid` asks for the empty one.
    fn nudge(&self, candidate: &Candidate<'_, '_>, now: Now) -> Option<Nudge> {
        let kid = candidate.kid.as_deref().unwrap_or_default();
        let refresh = self.refreshes.get(candidate.at)?;
        Some(refresh.ask(kid, now.instant))
    }
}

#[cfg(test)]
impl<D: Document> Verifier<D> {
    /// How many verified tokens are remembered, and their size in bytes.
    pub(super) fn remembered_size(&self) -> (u64, u64) {
        self.cache.size()
    }
}
