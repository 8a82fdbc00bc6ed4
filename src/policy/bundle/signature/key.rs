//! Keys as the configuration and the command line name them.

use std::fmt;

use crate::identity::jose::{Algorithm, SigningKey, UnusableKey, VerifyingKey};

/// A key of the section `keys`: it verifies, with one algorithm.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    verifying: VerifyingKey,
    scope: Option<String>,
}

/// A key that signs, with one algorithm.
#[derive(Debug)]
pub struct PrivateKey {
    pub(super) algorithm: Algorithm,
    pub(super) signing: SigningKey,
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKey {
    /// The algorithm.
    #[error(
        "the algorithm `{0}` is unknown: there are ES256, ES384, ES512, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512 and EdDSA"
    )]
    Algorithm(String),
    /// Nothing is there.
    #[error("the key is empty")]
    Empty,
    /// What is there is no key.
    #[error("not a usable key")]
    Unusable(#[from] UnusableKey),
}

impl Key {
    /// A key as the section `keys` has it: for HS256, HS384 and HS512 `text` is the secret, bytes for
    /// bytes; for the others a PEM public key or certificate. Default algorithm is RS256. Whoever
    /// gives the path of a file reads it first.
    pub fn from_config(
        text: &str,
        algorithm: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Self, InvalidKey> {
        let algorithm = parse(algorithm)?;
        if text.trim().is_empty() {
            return Err(InvalidKey::Empty);
        }
        let verifying = if algorithm.is_symmetric() {
            VerifyingKey::from_secret(text.as_bytes())
        } else {
            VerifyingKey::from_pem(text)?
        };
        if !verifying.fits(algorithm) {
            return Err(UnusableKey::Algorithm(algorithm).into());
        }
        Ok(Self {
            algorithm,
            verifying,
            scope: scope.filter(|scope| !scope.is_empty()).map(str::to_owned),
        })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    pub(super) fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }
}

/// Two keys are equal when they verify the same.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm
            && self.scope == other.scope
            && self.verifying.digest() == other.verifying.digest()
    }
}

impl Eq for Key {}

/// Shows nothing of the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// A secret for HS256, HS384 and HS512, else a PEM private key (PKCS#8, PKCS#1, SEC 1). Default
    /// algorithm is RS256.
    pub fn from_text(text: &str, algorithm: Option<&str>) -> Result<Self, InvalidKey> {
        let algorithm = parse(algorithm)?;
        if text.trim().is_empty() {
            return Err(InvalidKey::Empty);
        }
        let signing = if algorithm.is_symmetric() {
            SigningKey::from_secret(text.as_bytes())
        } else {
            SigningKey::from_pem(text)?
        };
        Ok(Self { algorithm, signing })
    }
}

fn parse(algorithm: Option<&str>) -> Result<Algorithm, InvalidKey> {
    let name = algorithm.filter(|name| !name.is_empty()).unwrap_or("RS256");
    Algorithm::parse(name).ok_or_else(|| InvalidKey::Algorithm(name.to_owned()))
}
