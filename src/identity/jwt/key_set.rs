//! A JSON Web Key Set (RFC 7517, section 5) as far as it can verify tokens.
//!
//! Promises: one key that cannot be used never fails the others; a `kid` and an algorithm name at most
//! one key; sets with the same usable keys are equal, however they are written.

mod entry;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    chain::Chain,
    identity::jose::{Algorithm, InvalidJson, VerifyingKey, object},
};
use entry::{Key, Unfit};

/// The usable keys of a set.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// What tells one content from another.
    digest: [u8; 32],
    keys: Vec<Key>,
    skipped: Vec<SkippedKey>,
}

/// A key that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the set, counted from 0.
    pub at: usize,
    /// Its `kid`, if it has one; cut to what a log line may show.
    pub kid: Option<String>,
    /// Why.
    pub why: String,
}

/// Why a text is no key set at all.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKeySet {
    /// The JSON.
    #[error("the key set is not valid")]
    Json(#[from] InvalidJson),
    /// No list called `keys`.
    #[error("the key set has no list `keys`")]
    NoKeys,
    /// More keys than any issuer has.
    #[error("the key set has {0} keys; {most} are the most", most = KeySet::MAX_KEYS)]
    TooMany(usize),
}

impl KeySet {
    /// The most keys that are read.
    pub const MAX_KEYS: usize = 256;

    /// Reads a set; keys that cannot verify tokens are skipped one by one.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidKeySet> {
        let set = object(json)?;
        let Some(Value::Array(entries)) = set.get("keys") else {
            return Err(InvalidKeySet::NoKeys);
        };
        if entries.len() > Self::MAX_KEYS {
            return Err(InvalidKeySet::TooMany(entries.len()));
        }
        let mut keys: Vec<Key> = Vec::new();
        let mut skipped = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            match entry::key(entry).and_then(|key| first_of_its_name(&keys, key)) {
                Ok(key) => keys.push(key),
                Err(why) => skipped.push(SkippedKey {
                    at,
                    kid: entry::shown_kid(entry),
                    why: Chain(&why).to_string(),
                }),
            }
        }
        Ok(Self {
            digest: digest(&keys),
            keys,
            skipped,
        })
    }

    /// The key of this `kid`, or without one the only key that fits; `Err` says which code it is:
    /// `unknown_key`, or `algorithm` when the key is not for this one.
    pub fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&VerifyingKey, super::JwtError> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| kid.is_none_or(|kid| &*key.kid == kid) && key.fits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(&key.verifying),
            (None, _) if kid.is_some_and(|kid| self.has(kid)) => Err(super::JwtError::Algorithm),
            (None, _) | (Some(_), Some(_)) => Err(super::JwtError::UnknownKey),
        }
    }

    /// Whether there is a key of this `kid`.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| &*key.kid == kid)
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that were left out.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }
}

/// Sets are equal when their usable keys are.
impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for KeySet {}

fn first_of_its_name(keys: &[Key], key: Key) -> Result<Key, Unfit> {
    if keys.iter().any(|before| before.clashes_with(&key)) {
        Err(Unfit::Twice)
    } else {
        Ok(key)
    }
}

/// Over the keys in an order of their own, since a set has none.
fn digest(keys: &[Key]) -> [u8; 32] {
    let mut digests: Vec<[u8; 32]> = keys.iter().map(Key::digest).collect();
    digests.sort_unstable();
    let mut hasher = Sha256::new();
    for digest in &digests {
        hasher.update(digest);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests;
