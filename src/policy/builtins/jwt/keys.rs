//! The keys that a text holds: PEM, one JWK, or a set of them.

use super::token::{Fields, bounded};
use super::{Algorithm, Digest, JwtError, VerifyingKey};
use crate::identity::jose::{JsonObject, object};

/// The keys of one text.
#[derive(Debug)]
pub(super) struct KeyList {
    digest: Digest,
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    /// Keys that are not bound to one have none.
    algorithm: Option<Algorithm>,
    verifying: VerifyingKey,
}

impl Key {
    fn has_id(&self, kid: &str) -> bool {
        self.kid.as_deref() == Some(kid)
    }

    fn is_for(&self, algorithm: Option<&str>) -> bool {
        self.algorithm
            .is_none_or(|own| algorithm == Some(own.as_str()))
    }
}

impl KeyList {
    /// Parses `text`, whose digest is `digest`. Keys of a set that cannot be used, or are for no
    /// signature algorithm, are left out one by one.
    pub(super) fn parse(text: &str, digest: Digest) -> Result<Self, JwtError> {
        bounded(text, "key", MAX_TEXT)?;
        let keys = if text.trim_start().starts_with("-----BEGIN ") {
            vec![Key {
                kid: None,
                algorithm: None,
                verifying: VerifyingKey::from_pem(text)?,
            }]
        } else {
            Self::from_json(&object(text.as_bytes()).map_err(JwtError::KeyText)?)?
        };
        Ok(Self { digest, keys })
    }

    fn from_json(json: &JsonObject) -> Result<Vec<Key>, JwtError> {
        let Some(set) = json.get("keys") else {
            let key = VerifyingKey::from_jwk(json)?;
            return Ok(labelled(json, key).into_iter().collect());
        };
        let set = set.as_array().ok_or(JwtError::KeySet)?;
        if set.len() > MAX_KEYS {
            return Err(JwtError::TooManyKeys(MAX_KEYS));
        }
        let usable = set.iter().filter_map(|jwk| {
            let jwk = jwk.as_object()?;
            labelled(jwk, VerifyingKey::from_jwk(jwk).ok()?)
        });
        Ok(usable.collect())
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Whether `verify` holds for the first key that is called `kid`, or where none is, for one of
    /// those that are for the header's `algorithm` or bound to none, if those are few.
    pub(super) fn any(
        &self,
        fields: &Fields<'_>,
        verify: impl Fn(&VerifyingKey) -> bool,
    ) -> Result<bool, JwtError> {
        let named = fields
            .kid
            .and_then(|kid| self.keys.iter().find(|key| key.has_id(kid)));
        if let Some(only) = named {
            return Ok(verify(&only.verifying));
        }
        let mut candidates = self.keys.iter().filter(|key| key.is_for(fields.alg));
        if candidates.clone().nth(MAX_CANDIDATES).is_some() {
            return Err(JwtError::TooManyCandidates(MAX_CANDIDATES));
        }
        Ok(candidates.any(|key| verify(&key.verifying)))
    }
}

/// `verifying` with what `jwk` says about it; nothing if what it says is of no use here.
fn labelled(jwk: &JsonObject, verifying: VerifyingKey) -> Option<Key> {
    let text = |name| match jwk.get(name) {
        None => Some(None),
        Some(value) => value.as_str().map(Some),
    };
    let algorithm = match text("alg")? {
        None => None,
        Some(name) => Some(Algorithm::parse(name)?),
    };
    let kid = text("kid")?.map(str::to_owned);
    Some(Key {
        kid,
        algorithm,
        verifying,
    })
}

/// The longest text of keys.
pub(super) const MAX_TEXT: usize = 1 << 20;

/// The most keys of a set.
const MAX_KEYS: usize = 256;

/// The most keys that are tried for one signature; to check one takes up to 0.1 ms.
const MAX_CANDIDATES: usize = 32;
