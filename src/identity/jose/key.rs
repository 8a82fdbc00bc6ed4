//! Keys, each of one type, and what they do: verify and sign.

use super::{Algorithm, JsonObject};

/// A key that verifies signatures.
#[derive(Clone, Debug)]
pub struct VerifyingKey;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("to be written")]
pub struct UnusableKey;

impl VerifyingKey {
    /// A JWK (RFC 7517): `RSA`, `EC` (P-256, P-384, P-521) or `OKP` (Ed25519); `oct` too, since OPA's built-ins
    /// take it (a provider's key set does not).
    pub fn from_jwk(jwk: &JsonObject) -> Result<Self, UnusableKey> {
        let _ = jwk;
        todo!("jose")
    }

    /// One PEM block: `PUBLIC KEY` (SPKI) or `CERTIFICATE`, and nothing behind it.
    pub fn from_pem(pem: &str) -> Result<Self, UnusableKey> {
        let _ = pem;
        todo!("jose")
    }

    /// A shared secret.
    pub fn from_secret(secret: &[u8]) -> Self {
        let _ = secret;
        todo!("jose")
    }

    /// Whether the key's type is the algorithm's.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        let _ = algorithm;
        todo!("jose")
    }

    /// Whether `signature` is this key's over `message`; `false` too when the algorithm does not fit.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let _ = (algorithm, message, signature);
        todo!("jose")
    }
}

/// A key that signs.
#[derive(Debug)]
pub struct SigningKey;

impl SigningKey {
    /// A private JWK of the same types.
    pub fn from_jwk(jwk: &JsonObject) -> Result<Self, UnusableKey> {
        let _ = jwk;
        todo!("jose")
    }

    /// The signature over `message`.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, UnusableKey> {
        let _ = (algorithm, message);
        todo!("jose")
    }
}
