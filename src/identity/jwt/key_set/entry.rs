//! One key of a set: whether it can verify tokens, under which name, with which algorithms.

use serde_json::Value;

use crate::identity::jose::{Algorithm, JsonObject, UnusableKey, VerifyingKey};

/// The longest `kid`, in bytes.
const MAX_KID: usize = 256;

/// The most characters of a `kid` in a log line.
const MOST_SHOWN: usize = 64;

/// A key that can verify tokens.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) kid: Box<str>,
    /// The one algorithm that the set pins the key to, if it does.
    algorithm: Option<Algorithm>,
    pub(super) verifying: VerifyingKey,
}

/// Why a key of a set cannot verify tokens.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("the key is not an object")]
    NotObject,
    #[error("the key has no `kid`")]
    NoKid,
    #[error("the `kid` is not a string")]
    KidNotString,
    #[error("the `kid` is empty")]
    EmptyKid,
    #[error("the `kid` has more than {MAX_KID} bytes")]
    LongKid,
    #[error("the `use` is not `sig`")]
    Use,
    #[error("the `key_ops` are no list with `verify` in it")]
    KeyOps,
    #[error("the `alg` is not a signature algorithm that is known")]
    UnknownAlgorithm,
    #[error("the `alg` is `{}`, which is not of the key's type", .0.as_str())]
    AlgorithmMismatch(Algorithm),
    #[error("a shared secret does not belong into a key set")]
    Secret,
    #[error("the private part of the key is published with it")]
    Private,
    #[error("the key cannot be used")]
    Material(#[from] UnusableKey),
    #[error("a key of this `kid` and algorithm came before")]
    Twice,
}

impl Key {
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|pinned| pinned == algorithm) && self.verifying.fits(algorithm)
    }

    /// Whether there is an algorithm for which both go by the same name.
    pub(super) fn clashes_with(&self, other: &Self) -> bool {
        self.kid == other.kid
            && Algorithm::ALL
                .into_iter()
                .any(|algorithm| self.fits(algorithm) && other.fits(algorithm))
    }

    /// What tells it from other keys. The `kid` comes last: all before it have a fixed length.
    pub(super) fn digest(&self) -> [u8; 32] {
        let algorithm = self.algorithm.map_or("-----", Algorithm::as_str);
        let digest = blake3::Hasher::new()
            .update(self.verifying.digest())
            .update(algorithm.as_bytes())
            .update(self.kid.as_bytes())
            .finalize();
        *digest.as_bytes()
    }
}

/// Reads one entry of `keys`.
pub(super) fn key(entry: &Value) -> Result<Key, Unfit> {
    let jwk = entry.as_object().ok_or(Unfit::NotObject)?;
    let kid = kid(jwk)?;
    for_signatures(jwk)?;
    if jwk.get("kty").and_then(Value::as_str) == Some("oct") {
        return Err(Unfit::Secret);
    }
    if jwk.contains_key("d") {
        return Err(Unfit::Private);
    }
    let algorithm = algorithm(jwk)?;
    let verifying = VerifyingKey::from_jwk(jwk)?;
    if let Some(algorithm) = algorithm
        && !verifying.fits(algorithm)
    {
        return Err(Unfit::AlgorithmMismatch(algorithm));
    }
    Ok(Key {
        kid: kid.into(),
        algorithm,
        verifying,
    })
}

fn kid(jwk: &JsonObject) -> Result<&str, Unfit> {
    let kid = jwk.get("kid").ok_or(Unfit::NoKid)?;
    let kid = kid.as_str().ok_or(Unfit::KidNotString)?;
    if kid.is_empty() {
        return Err(Unfit::EmptyKid);
    }
    if kid.len() > MAX_KID {
        return Err(Unfit::LongKid);
    }
    Ok(kid)
}

/// `use` and `key_ops` (RFC 7517, sections 4.2 and 4.3), which a key need not have.
fn for_signatures(jwk: &JsonObject) -> Result<(), Unfit> {
    if jwk.get("use").is_some_and(|usage| usage != "sig") {
        return Err(Unfit::Use);
    }
    let Some(operations) = jwk.get("key_ops") else {
        return Ok(());
    };
    match operations.as_array() {
        Some(operations) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(_) | None => Err(Unfit::KeyOps),
    }
}

fn algorithm(jwk: &JsonObject) -> Result<Option<Algorithm>, Unfit> {
    let Some(name) = jwk.get("alg") else {
        return Ok(None);
    };
    name.as_str()
        .and_then(Algorithm::parse)
        .map(Some)
        .ok_or(Unfit::UnknownAlgorithm)
}

/// What a log line may show of the entry's `kid`.
pub(super) fn shown_kid(entry: &Value) -> Option<String> {
    let kid = entry.get("kid")?.as_str()?;
    Some(kid.chars().take(MOST_SHOWN).collect())
}
