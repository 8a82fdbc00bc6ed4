//! Keys that sign: for Rego's `io.jwt.encode_sign` and for bundles; the server itself issues nothing.

use std::fmt;

use aws_lc_rs::{
    error::KeyRejected,
    hmac,
    rand::SystemRandom,
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
        RsaKeyPair,
    },
};

use super::{
    Algorithm, Curve, HMAC, JsonObject, UnusableKey,
    jwk::{self, KeyType},
    pem,
};

/// A key that signs.
pub struct SigningKey(Pair);

enum Pair {
    Rsa(RsaKeyPair),
    Ec(Algorithm, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Secret(Vec<(Algorithm, hmac::Key)>),
}

impl SigningKey {
    /// A private JWK of the same types. Its parts must belong together.
    pub fn from_jwk(jwk: &JsonObject) -> Result<Self, UnusableKey> {
        let pair = match KeyType::of(jwk)? {
            KeyType::Rsa => Pair::Rsa(jwk::rsa_pair(jwk)?),
            KeyType::Ec(curve) => {
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    curve.signing(),
                    &jwk::sized(jwk, "d", curve.width())?,
                    &jwk::point(jwk, curve)?,
                );
                Pair::Ec(curve.algorithm(), pair.map_err(|_| UnusableKey::Rejected)?)
            }
            KeyType::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(
                    &jwk::sized(jwk, "d", 32)?,
                    &jwk::sized(jwk, "x", 32)?,
                );
                Pair::Ed25519(pair.map_err(|_| UnusableKey::Rejected)?)
            }
            KeyType::Secret => {
                return Ok(Self::from_secret(&jwk::secret(jwk)?));
            }
        };
        Ok(Self(pair))
    }

    /// One PEM block, not encrypted: `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` (PKCS#1) or
    /// `EC PRIVATE KEY` (SEC 1).
    pub fn from_pem(pem: &str) -> Result<Self, UnusableKey> {
        let (kind, der) = pem::private(pem)?;
        let rsa = |pair: RsaKeyPair| {
            let bits = u32::try_from(pair.public_modulus_len())
                .unwrap_or(u32::MAX)
                .saturating_mul(8);
            if super::RSA_BITS.contains(&bits) {
                Ok(Self(Pair::Rsa(pair)))
            } else {
                Err(UnusableKey::RsaSize(bits))
            }
        };
        let ec = |read: fn(
            &'static EcdsaSigningAlgorithm,
            &[u8],
        ) -> Result<EcdsaKeyPair, KeyRejected>| {
            let mut pairs = Curve::ALL.into_iter().filter_map(|curve| {
                let pair = read(curve.signing(), &der).ok()?;
                Some(Self(Pair::Ec(curve.algorithm(), pair)))
            });
            pairs.next().ok_or(UnusableKey::Rejected)
        };
        match kind {
            pem::Private::Pkcs1 => {
                rsa(RsaKeyPair::from_der(&der).map_err(|_| UnusableKey::Rejected)?)
            }
            pem::Private::Sec1 => ec(EcdsaKeyPair::from_private_key_der),
            pem::Private::Pkcs8 => {
                if let Ok(pair) = RsaKeyPair::from_pkcs8(&der) {
                    rsa(pair)
                } else if let Ok(pair) = Ed25519KeyPair::from_pkcs8(&der) {
                    Ok(Self(Pair::Ed25519(pair)))
                } else {
                    ec(EcdsaKeyPair::from_pkcs8)
                }
            }
        }
    }

    /// A shared secret.
    pub fn from_secret(secret: &[u8]) -> Self {
        let keys = HMAC.map(|(algorithm, hmac)| (algorithm, hmac::Key::new(*hmac, secret)));
        Self(Pair::Secret(keys.into()))
    }

    /// The signature over `message`, as it stands in a token.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, UnusableKey> {
        match &self.0 {
            Pair::Rsa(pair) => rsa(pair, algorithm, message),
            Pair::Ec(of, pair) if *of == algorithm => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| UnusableKey::Signing),
            Pair::Ed25519(pair) if algorithm == Algorithm::EdDsa => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| UnusableKey::Signing),
            Pair::Secret(keys) => keys
                .iter()
                .find(|(of, _)| *of == algorithm)
                .map(|(_, key)| hmac::sign(key, message).as_ref().to_vec())
                .ok_or(UnusableKey::Algorithm(algorithm)),
            Pair::Ec(..) | Pair::Ed25519(_) => Err(UnusableKey::Algorithm(algorithm)),
        }
    }
}

fn rsa(pair: &RsaKeyPair, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, UnusableKey> {
    let encoding: &'static dyn signature::RsaEncoding = match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::Es512
        | Algorithm::EdDsa
        | Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512 => return Err(UnusableKey::Algorithm(algorithm)),
    };
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
        .map_err(|_| UnusableKey::Signing)?;
    Ok(signature)
}

/// Shows what kind of key it is, and nothing of the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Pair::Rsa(_) => "SigningKey(RSA)",
            Pair::Ec(..) => "SigningKey(EC)",
            Pair::Ed25519(_) => "SigningKey(Ed25519)",
            Pair::Secret(_) => "SigningKey(oct)",
        })
    }
}
