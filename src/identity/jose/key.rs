//! Keys, each of one type, and what they do: verify and sign.
//!
//! Promises: a key is parsed and checked once, when it is made; it verifies with the algorithms of its
//! own type only, so that no public key is ever taken for a shared secret; no signature panics. All
//! cryptography is that of `aws-lc-rs`, whose HMAC comparison takes constant time.

mod curve;
mod jwk;
mod pem;
mod signing;
mod unusable;

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    hmac,
    signature::{self, ParsedPublicKey, RsaParameters, VerificationAlgorithm},
};

use super::{Algorithm, JsonObject};
use curve::Curve;

pub use signing::SigningKey;
pub use unusable::UnusableKey;

/// A key that verifies signatures. Clones share it.
#[derive(Clone)]
pub struct VerifyingKey(Arc<Inner>);

struct Inner {
    /// What tells one key from another.
    digest: [u8; 32],
    material: Material,
}

/// A key prepared for each algorithm of its type.
enum Material {
    Public(Vec<(Algorithm, ParsedPublicKey)>),
    Secret(Vec<(Algorithm, hmac::Key)>),
}

/// RSA keys are used with both paddings (RFC 7518, sections 3.3 and 3.5).
static RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &signature::RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &signature::RSA_PSS_2048_8192_SHA512),
];

static HMAC: [(Algorithm, &hmac::Algorithm); 3] = [
    (Algorithm::Hs256, &hmac::HMAC_SHA256),
    (Algorithm::Hs384, &hmac::HMAC_SHA384),
    (Algorithm::Hs512, &hmac::HMAC_SHA512),
];

/// The sizes of an RSA modulus in bits: RFC 7518 asks for the lower bound, and the upper one bounds
/// what one signature costs.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

impl VerifyingKey {
    /// A JWK (RFC 7517): `RSA`, `EC` (P-256, P-384, P-521) or `OKP` (Ed25519); `oct` too, since OPA's built-ins
    /// take it (a provider's key set does not). `use`, `key_ops`, `alg` and `kid` are not looked at.
    pub fn from_jwk(jwk: &JsonObject) -> Result<Self, UnusableKey> {
        jwk::verifying(jwk)
    }

    /// One PEM block: `PUBLIC KEY` (SPKI) or `CERTIFICATE`, and nothing before or behind it but white
    /// space. Of a certificate only the key is read: neither its dates nor its issuer.
    pub fn from_pem(pem: &str) -> Result<Self, UnusableKey> {
        pem::verifying(pem)
    }

    /// A shared secret.
    pub fn from_secret(secret: &[u8]) -> Self {
        let keys = HMAC.map(|(algorithm, hmac)| (algorithm, hmac::Key::new(*hmac, secret)));
        Self::new("oct", secret, Material::Secret(keys.into()))
    }

    /// Whether the key's type is the algorithm's.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        match &self.0.material {
            Material::Public(keys) => keys.iter().any(|(of, _)| *of == algorithm),
            Material::Secret(keys) => keys.iter().any(|(of, _)| *of == algorithm),
        }
    }

    /// Whether `signature` is this key's over `message`; `false` too when the algorithm does not fit.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match &self.0.material {
            Material::Public(keys) => keys
                .iter()
                .any(|(of, key)| *of == algorithm && key.verify_sig(message, signature).is_ok()),
            Material::Secret(keys) => keys
                .iter()
                .any(|(of, key)| *of == algorithm && hmac::verify(key, message, signature).is_ok()),
        }
    }

    /// A digest of the type and the material: equal for the same key, however it was written.
    pub fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }

    fn new(key_type: &str, material: &[u8], keys: Material) -> Self {
        let digest = blake3::Hasher::new()
            .update(key_type.as_bytes())
            .update(&[0])
            .update(material)
            .finalize();
        Self(Arc::new(Inner {
            digest: *digest.as_bytes(),
            material: keys,
        }))
    }

    /// `spki` is the key as a DER `SubjectPublicKeyInfo`; `bits` the size of its modulus.
    fn rsa(spki: &[u8], bits: u32) -> Result<Self, UnusableKey> {
        if !RSA_BITS.contains(&bits) {
            return Err(UnusableKey::RsaSize(bits));
        }
        let keys = RSA
            .iter()
            .map(|(algorithm, parameters)| Ok((*algorithm, parse(*parameters, spki)?)))
            .collect::<Result<_, UnusableKey>>()?;
        Ok(Self::new("RSA", spki, Material::Public(keys)))
    }

    /// `point` is the key as an uncompressed point.
    fn ec(curve: Curve, point: &[u8]) -> Result<Self, UnusableKey> {
        let keys = vec![(curve.algorithm(), parse(curve.verification(), point)?)];
        Ok(Self::new(curve.as_str(), point, Material::Public(keys)))
    }

    fn ed25519(bytes: &[u8]) -> Result<Self, UnusableKey> {
        let keys = vec![(Algorithm::EdDsa, parse(&signature::ED25519, bytes)?)];
        Ok(Self::new("Ed25519", bytes, Material::Public(keys)))
    }
}

fn parse(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
) -> Result<ParsedPublicKey, UnusableKey> {
    ParsedPublicKey::new(algorithm, key).map_err(|_| UnusableKey::Rejected)
}

/// Shows what the key can do, and nothing of the key.
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fitting = Algorithm::ALL.into_iter().filter(|of| self.fits(*of));
        f.write_str("VerifyingKey")?;
        f.debug_list().entries(fitting).finish()
    }
}

#[cfg(test)]
pub(crate) mod made;

#[cfg(test)]
mod tests;
