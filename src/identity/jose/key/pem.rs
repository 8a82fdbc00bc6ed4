//! Keys in PEM (RFC 7468): public ones bare or in a certificate, private ones not encrypted.

use aws_lc_rs::signature::RsaParameters;
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use x509_parser::{
    certificate::X509Certificate,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521,
        OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
    },
    prelude::FromDer as _,
    x509::SubjectPublicKeyInfo,
};

use super::{Curve, UnusableKey, VerifyingKey};

pub(super) fn verifying(pem: &str) -> Result<VerifyingKey, UnusableKey> {
    let (kind, der) = only_block(pem)?;
    if kind == SectionKind::PublicKey {
        let (behind, key) =
            SubjectPublicKeyInfo::from_der(&der).map_err(|_| UnusableKey::PublicKey)?;
        if !behind.is_empty() {
            return Err(UnusableKey::PublicKey);
        }
        public_key(&key)
    } else if kind == SectionKind::Certificate {
        let (behind, certificate) =
            X509Certificate::from_der(&der).map_err(|_| UnusableKey::Certificate)?;
        if !behind.is_empty() {
            return Err(UnusableKey::Certificate);
        }
        public_key(&certificate.tbs_certificate.subject_pki)
    } else {
        Err(UnusableKey::PemLabel)
    }
}

/// How a private key is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Private {
    Pkcs1,
    Pkcs8,
    Sec1,
}

pub(super) fn private(pem: &str) -> Result<(Private, Vec<u8>), UnusableKey> {
    let (kind, der) = only_block(pem)?;
    let kind = if kind == SectionKind::RsaPrivateKey {
        Private::Pkcs1
    } else if kind == SectionKind::PrivateKey {
        Private::Pkcs8
    } else if kind == SectionKind::EcPrivateKey {
        Private::Sec1
    } else {
        return Err(UnusableKey::PrivatePemLabel);
    };
    Ok((kind, der))
}

/// The reader passes over text around a block and over blocks it does not know, so that is refused
/// beforehand: nobody should wonder which of two keys is used.
fn only_block(pem: &str) -> Result<(SectionKind, Vec<u8>), UnusableKey> {
    let pem = pem.trim();
    let label = pem
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("-----BEGIN "))
        .and_then(|line| line.strip_suffix("-----"))
        .ok_or(UnusableKey::Pem)?;
    let last = format!("-----END {label}-----");
    if pem.lines().last() != Some(&last) || pem.matches("-----").count() != 4 {
        return Err(UnusableKey::Pem);
    }
    match <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()).next() {
        Some(Ok(block)) => Ok(block),
        Some(Err(_)) => Err(UnusableKey::Pem),
        // A well-formed block of a kind that the reader does not know.
        None => Err(UnusableKey::PemLabel),
    }
}

fn public_key(key: &SubjectPublicKeyInfo<'_>) -> Result<VerifyingKey, UnusableKey> {
    let key_type = &key.algorithm.algorithm;
    if *key_type == OID_PKCS1_RSAENCRYPTION {
        let bits = RsaParameters::public_modulus_len(&key.subject_public_key.data)
            .map_err(|_| UnusableKey::Rejected)?;
        VerifyingKey::rsa(key.raw, bits)
    } else if *key_type == OID_KEY_TYPE_EC_PUBLIC_KEY {
        VerifyingKey::ec(curve(key)?, key.raw)
    } else if *key_type == OID_SIG_ED25519 {
        VerifyingKey::ed25519(key.raw)
    } else {
        Err(UnusableKey::PublicKeyType)
    }
}

/// The curve by its name; one that is spelled out by its parameters is not taken.
fn curve(key: &SubjectPublicKeyInfo<'_>) -> Result<Curve, UnusableKey> {
    let name = key.algorithm.parameters.as_ref();
    let name = name
        .and_then(|name| name.as_oid().ok())
        .ok_or(UnusableKey::PublicKeyType)?;
    [
        (OID_EC_P256, Curve::P256),
        (OID_NIST_EC_P384, Curve::P384),
        (OID_NIST_EC_P521, Curve::P521),
    ]
    .into_iter()
    .find_map(|(of, curve)| (of == name).then_some(curve))
    .ok_or(UnusableKey::PublicKeyType)
}
