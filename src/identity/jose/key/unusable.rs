//! Why a key cannot be used, in the words that logs show.

use super::super::Algorithm;

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// A member of a JWK is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A member of a JWK is no string.
    #[error("`{0}` is not a string")]
    NotString(&'static str),
    /// A member of a JWK is not base64url in its canonical form, without padding.
    #[error("`{0}` is not base64url")]
    Base64(&'static str),
    /// A member of a JWK has too few or too many bytes, as with `k` when it is empty.
    #[error("`{name}` has {bytes} bytes; {rule}", rule = match expected {
        Some(expected) => format!("{expected} are needed"),
        None => "one at least is needed".to_owned(),
    })]
    Length {
        /// The member.
        name: &'static str,
        /// What it has.
        bytes: usize,
        /// What it needs; `None` is one at least.
        expected: Option<usize>,
    },
    /// The `kty` is not `RSA`, `EC`, `OKP` or `oct`.
    #[error("the key type `{0}` is unknown")]
    KeyType(String),
    /// The `crv` is not one of the key type's that are known.
    #[error("the curve `{0}` is unknown")]
    Curve(String),
    /// Outside of 2048 to 8192 bits.
    #[error("an RSA key has 2048 to 8192 bits, not {0}")]
    RsaSize(u32),
    /// An RSA key of more than two primes.
    #[error("an RSA key of more than two primes (`oth`) is not supported")]
    ManyPrimes,
    /// The material breaks a rule of its type: a point off its curve, an even exponent, parts that do
    /// not belong together.
    #[error("the key material is not valid for its type")]
    Rejected,
    /// Not exactly one PEM block.
    #[error("not one PEM block and nothing else")]
    Pem,
    /// The PEM block is neither a public key nor a certificate.
    #[error("the PEM block is neither `PUBLIC KEY` nor `CERTIFICATE`")]
    PemLabel,
    /// The PEM block is no private key that can be read.
    #[error(
        "the PEM block is neither `PRIVATE KEY`, `RSA PRIVATE KEY` nor `EC PRIVATE KEY`, not encrypted"
    )]
    PrivatePemLabel,
    /// The certificate cannot be read.
    #[error("the certificate is not valid DER")]
    Certificate,
    /// The public key cannot be read.
    #[error("the public key is not valid DER")]
    PublicKey,
    /// The public key is of a type that no algorithm has.
    #[error("the public key is neither RSA, P-256, P-384, P-521 nor Ed25519")]
    PublicKeyType,
    /// The key is not of the algorithm's type.
    #[error("the key is not for the algorithm `{}`", .0.as_str())]
    Algorithm(Algorithm),
    /// The cryptographic library did not sign.
    #[error("signing failed")]
    Signing,
}
