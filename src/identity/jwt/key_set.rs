//! A JSON Web Key Set (RFC 7517, section 5) as far as it can verify tokens.

use crate::identity::jose::{Algorithm, InvalidJson, VerifyingKey};

/// The usable keys of a set.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// What tells one content from another.
    digest: [u8; 32],
    keys: Vec<Key>,
    skipped: Vec<SkippedKey>,
}

#[derive(Clone, Debug)]
struct Key {
    kid: Box<str>,
    algorithm: Option<Algorithm>,
    key: VerifyingKey,
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
        let _ = json;
        todo!("jose")
    }

    /// The key of this `kid`, or without one the only key that fits; `Err` says which code it is:
    /// `unknown_key`, or `algorithm` when the key is not for this one.
    pub fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&VerifyingKey, super::JwtError> {
        let _ = (kid, algorithm, &self.keys);
        todo!("jose")
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
