//! JSON Web Keys (RFC 7517; RFC 7518, section 6; RFC 8037): the members that hold key material.

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeyPairComponents},
    signature::RsaPublicKeyComponents,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Curve, JsonObject, UnusableKey, VerifyingKey};

/// The most characters of a foreign text in an error.
const MOST_SHOWN: usize = 32;

/// The key types of RFC 7518, section 6.1, and RFC 8037.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyType {
    Rsa,
    Ec(Curve),
    Ed25519,
    Secret,
}

impl KeyType {
    pub(super) fn of(jwk: &JsonObject) -> Result<Self, UnusableKey> {
        match text(jwk, "kty")? {
            "RSA" => Ok(Self::Rsa),
            "EC" => {
                let name = text(jwk, "crv")?;
                let curve = Curve::parse(name);
                curve
                    .map(Self::Ec)
                    .ok_or_else(|| UnusableKey::Curve(shown(name)))
            }
            "OKP" => match text(jwk, "crv")? {
                "Ed25519" => Ok(Self::Ed25519),
                other => Err(UnusableKey::Curve(shown(other))),
            },
            "oct" => Ok(Self::Secret),
            other => Err(UnusableKey::KeyType(shown(other))),
        }
    }
}

/// The public key of a JWK, or its secret.
pub(super) fn verifying(jwk: &JsonObject) -> Result<VerifyingKey, UnusableKey> {
    match KeyType::of(jwk)? {
        KeyType::Rsa => {
            let components = rsa_public(jwk)?;
            let bits = bits(&components.n);
            let spki = components.as_der().map_err(|_| UnusableKey::Rejected)?;
            VerifyingKey::rsa(spki.as_ref(), bits)
        }
        KeyType::Ec(curve) => VerifyingKey::ec(curve, &point(jwk, curve)?),
        KeyType::Ed25519 => VerifyingKey::ed25519(&sized(jwk, "x", 32)?),
        KeyType::Secret => secret(jwk).map(|secret| VerifyingKey::from_secret(&secret)),
    }
}

/// An RSA key pair with all of its CRT parameters, checked to belong together.
pub(super) fn rsa_pair(jwk: &JsonObject) -> Result<KeyPair, UnusableKey> {
    if jwk.contains_key("oth") {
        return Err(UnusableKey::ManyPrimes);
    }
    let public_key = rsa_public(jwk)?;
    let bits = bits(&public_key.n);
    if !super::RSA_BITS.contains(&bits) {
        return Err(UnusableKey::RsaSize(bits));
    }
    KeyPair::from_components(&KeyPairComponents {
        public_key,
        d: some(jwk, "d")?,
        p: some(jwk, "p")?,
        q: some(jwk, "q")?,
        dP: some(jwk, "dp")?,
        dQ: some(jwk, "dq")?,
        qInv: some(jwk, "qi")?,
    })
    .map_err(|_| UnusableKey::Rejected)
}

/// Zeros before a number are cut off: some issuers write them, and they change nothing.
fn rsa_public(jwk: &JsonObject) -> Result<RsaPublicKeyComponents<Vec<u8>>, UnusableKey> {
    let number = |name| {
        let bytes = some(jwk, name)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok::<_, UnusableKey>(bytes.into_iter().skip(zeros).collect())
    };
    Ok(RsaPublicKeyComponents {
        n: number("n")?,
        e: number("e")?,
    })
}

/// The length in bits of a number without zeros before it.
fn bits(number: &[u8]) -> u32 {
    let Some((first, rest)) = number.split_first() else {
        return 0;
    };
    let low = u32::try_from(rest.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(8);
    low.saturating_add(u8::BITS.saturating_sub(first.leading_zeros()))
}

/// The uncompressed point of `x` and `y`.
pub(super) fn point(jwk: &JsonObject, curve: Curve) -> Result<Vec<u8>, UnusableKey> {
    let mut point = vec![4];
    point.extend(sized(jwk, "x", curve.width())?);
    point.extend(sized(jwk, "y", curve.width())?);
    Ok(point)
}

/// The bytes of `k`.
pub(super) fn secret(jwk: &JsonObject) -> Result<Vec<u8>, UnusableKey> {
    some(jwk, "k")
}

/// The member's bytes, of which there are `expected`.
pub(super) fn sized(
    jwk: &JsonObject,
    name: &'static str,
    expected: usize,
) -> Result<Vec<u8>, UnusableKey> {
    let bytes = some(jwk, name)?;
    if bytes.len() == expected {
        Ok(bytes)
    } else {
        Err(UnusableKey::Length {
            name,
            bytes: bytes.len(),
            expected: Some(expected),
        })
    }
}

/// The member's bytes, of which there is one at least.
fn some(jwk: &JsonObject, name: &'static str) -> Result<Vec<u8>, UnusableKey> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text(jwk, name)?)
        .map_err(|_| UnusableKey::Base64(name))?;
    if bytes.is_empty() {
        return Err(UnusableKey::Length {
            name,
            bytes: 0,
            expected: None,
        });
    }
    Ok(bytes)
}

fn text<'j>(jwk: &'j JsonObject, name: &'static str) -> Result<&'j str, UnusableKey> {
    jwk.get(name)
        .ok_or(UnusableKey::Missing(name))?
        .as_str()
        .ok_or(UnusableKey::NotString(name))
}

/// What a log line may show of a foreign text.
fn shown(text: &str) -> String {
    text.escape_debug().take(MOST_SHOWN).collect()
}
