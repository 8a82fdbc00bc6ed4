//! Keys, each of one type, and what they do: verify and sign.
//!
//! Promises: a key is parsed and checked once, when it is made; it verifies with the algorithms of its
//! own type only, so that no public key is ever taken for a shared secret; no signature panics. Signatures
//! are verified by `jsonwebtoken` over `aws-lc-rs`, whose HMAC comparison takes constant time; by the
//! latter alone where the former does not know the curve.

mod curve;
mod jwk;
mod pem;
mod signing;
mod unusable;

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    hmac,
    signature::{self, ParsedPublicKey, VerificationAlgorithm},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Known, DecodingKey, crypto};
use sha2::{Digest as _, Sha256};

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

enum Material {
    /// A key and the algorithms of its type.
    Known(DecodingKey, &'static [(Algorithm, Known)]),
    /// A key on P-521.
    P521(ParsedPublicKey),
}

/// RSA keys are used with both paddings (RFC 7518, sections 3.3 and 3.5).
static RSA: [(Algorithm, Known); 6] = [
    (Algorithm::Rs256, Known::RS256),
    (Algorithm::Rs384, Known::RS384),
    (Algorithm::Rs512, Known::RS512),
    (Algorithm::Ps256, Known::PS256),
    (Algorithm::Ps384, Known::PS384),
    (Algorithm::Ps512, Known::PS512),
];
static SECRET: [(Algorithm, Known); 3] = [
    (Algorithm::Hs256, Known::HS256),
    (Algorithm::Hs384, Known::HS384),
    (Algorithm::Hs512, Known::HS512),
];
static P256: [(Algorithm, Known); 1] = [(Algorithm::Es256, Known::ES256)];
static P384: [(Algorithm, Known); 1] = [(Algorithm::Es384, Known::ES384)];
static ED25519: [(Algorithm, Known); 1] = [(Algorithm::EdDsa, Known::EdDSA)];

/// What a secret signs with.
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
        let key = DecodingKey::from_secret(secret);
        Self::new("oct", secret, Material::Known(key, &SECRET))
    }

    /// Whether the key's type is the algorithm's.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        match &self.0.material {
            Material::Known(_, fitting) => fitting.iter().any(|(of, _)| *of == algorithm),
            Material::P521(_) => algorithm == Algorithm::Es512,
        }
    }

    /// Whether `signature` is this key's over `message`; `false` too when the algorithm does not fit.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match &self.0.material {
            Material::Known(key, fitting) => {
                let signature = URL_SAFE_NO_PAD.encode(signature);
                fitting.iter().any(|(of, known)| {
                    *of == algorithm
                        && crypto::verify(&signature, message, key, *known).unwrap_or(false)
                })
            }
            Material::P521(key) => {
                algorithm == Algorithm::Es512 && key.verify_sig(message, signature).is_ok()
            }
        }
    }

    /// A digest of the type and the material: equal for the same key, however it was written.
    pub fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }

    fn new(key_type: &str, material: &[u8], keys: Material) -> Self {
        let digest = Sha256::new()
            .chain_update(key_type.as_bytes())
            .chain_update([0])
            .chain_update(material)
            .finalize();
        Self(Arc::new(Inner {
            digest: digest.into(),
            material: keys,
        }))
    }

    /// `spki` is the key as a DER `SubjectPublicKeyInfo`; `bits` the size of its modulus.
    fn rsa(spki: &[u8], bits: u32) -> Result<Self, UnusableKey> {
        if !RSA_BITS.contains(&bits) {
            return Err(UnusableKey::RsaSize(bits));
        }
        parse(&signature::RSA_PKCS1_2048_8192_SHA256, spki)?;
        let key = DecodingKey::from_rsa_der(spki);
        Ok(Self::new("RSA", spki, Material::Known(key, &RSA)))
    }

    /// `point` is the key as an uncompressed point.
    fn ec(curve: Curve, point: &[u8]) -> Result<Self, UnusableKey> {
        let parsed = parse(curve.verification(), point)?;
        let known = || DecodingKey::from_ec_der(point);
        let material = match curve {
            Curve::P256 => Material::Known(known(), &P256),
            Curve::P384 => Material::Known(known(), &P384),
            Curve::P521 => Material::P521(parsed),
        };
        Ok(Self::new(curve.as_str(), point, material))
    }

    fn ed25519(bytes: &[u8]) -> Result<Self, UnusableKey> {
        parse(&signature::ED25519, bytes)?;
        let key = DecodingKey::from_ed_der(bytes);
        Ok(Self::new("Ed25519", bytes, Material::Known(key, &ED25519)))
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
