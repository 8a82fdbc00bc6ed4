//! An issuer of tokens: its keys, its key set, and whatever text is to be signed.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsDer as _,
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use x509_parser::der_parser::parse_der;

/// The secret of the provider with one.
pub(super) const SECRET: &[u8] = b"a secret of more than thirty-two bytes";

/// What a token is signed with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'k> {
    /// The key `ed`.
    Ed25519,
    /// The key `rsa`.
    Rsa,
    /// The key `ec`.
    Ec,
    /// A key of the type of `ed`, which is not in the set.
    Stranger,
    /// HMAC with this secret.
    Secret(&'k [u8]),
}

static ED: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap());
static STRANGER: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[2; 32]).unwrap());
static RSA: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static EC: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A compact JWS of these texts, whatever they are.
pub(super) fn token(kind: Kind<'_>, header: &str, payload: &str) -> String {
    sign(kind, &format!("{}.{}", encode(header), encode(payload)))
}

/// The text with its signature behind it.
pub(super) fn sign(kind: Kind<'_>, input: &str) -> String {
    let message = input.as_bytes();
    let signature = match kind {
        Kind::Ed25519 => ED.sign(message).as_ref().to_vec(),
        Kind::Stranger => STRANGER.sign(message).as_ref().to_vec(),
        Kind::Rsa => {
            let mut signature = vec![0; RSA.public_modulus_len()];
            RSA.sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .unwrap();
            signature
        }
        Kind::Ec => {
            let signature = EC.sign(&SystemRandom::new(), message).unwrap();
            signature.as_ref().to_vec()
        }
        Kind::Secret(secret) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::sign(&key, message).as_ref().to_vec()
        }
    };
    format!("{input}.{}", encode(signature))
}

/// The public keys, without the stranger's.
pub(super) fn key_set() -> String {
    format!(r#"{{"keys":[{},{},{}]}}"#, ed_jwk(), rsa_jwk(), ec_jwk())
}

pub(super) fn ed_jwk() -> String {
    ed25519_jwk("ed", &ED)
}

pub(super) fn stranger_jwk(kid: &str) -> String {
    ed25519_jwk(kid, &STRANGER)
}

fn ed25519_jwk(kid: &str, pair: &Ed25519KeyPair) -> String {
    let x = encode(pair.public_key());
    format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":{kid:?},"x":{x:?}}}"#)
}

/// RSA public keys come as `SEQUENCE { n, e }` (RFC 8017, appendix A.1.1).
fn rsa_jwk() -> String {
    let (_, key) = parse_der(RSA.public_key().as_ref()).unwrap();
    let [n, e] = [0, 1].map(|at| {
        let number = key.as_sequence().unwrap()[at].as_slice().unwrap();
        encode(number.strip_prefix(&[0]).unwrap_or(number))
    });
    format!(r#"{{"kty":"RSA","kid":"rsa","n":{n:?},"e":{e:?}}}"#)
}

fn ec_jwk() -> String {
    let (x, y) = EC.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (encode(x), encode(y));
    format!(r#"{{"kty":"EC","crv":"P-256","kid":"ec","x":{x:?},"y":{y:?}}}"#)
}

/// Every form in which somebody may take the RSA public key for a secret.
pub(super) fn rsa_public_forms() -> Vec<Vec<u8>> {
    let spki: Vec<u8> = RSA.public_key().as_der().unwrap().as_ref().to_vec();
    let lines: Vec<_> = STANDARD
        .encode(&spki)
        .into_bytes()
        .chunks(64)
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
        .collect();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        lines.join("\n")
    );
    vec![
        format!("{pem}\n").into(),
        pem.into(),
        RSA.public_key().as_ref().to_vec(),
        spki,
        Vec::new(),
    ]
}
