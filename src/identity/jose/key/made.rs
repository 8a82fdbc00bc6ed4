//! For tests: keys made on the spot, as the JWKs and the PEM that an issuer would publish.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsBigEndian as _, AsDer as _},
    rsa::KeySize,
    signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use x509_parser::der_parser::parse_der;

use super::{Algorithm, Curve, JsonObject};

/// A key pair.
pub(crate) struct Made {
    pub(crate) private: JsonObject,
    pub(crate) public: JsonObject,
    /// The public key in DER; empty for a secret.
    pub(crate) spki: Vec<u8>,
}

impl Made {
    fn new(public: JsonObject, private: &[(&str, &str)], spki: Vec<u8>) -> Self {
        let mut all = public.clone();
        all.extend(jwk(private));
        Self {
            private: all,
            public,
            spki,
        }
    }

    pub(crate) fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki)
    }
}

/// A pair for the algorithm; there are two of each type, 0 and 1, made once.
pub(crate) fn pair(algorithm: Algorithm, which: usize) -> &'static Made {
    let curve = Curve::ALL
        .into_iter()
        .find(|curve| curve.algorithm() == algorithm);
    match curve {
        Some(curve) => ec(curve, which),
        None if algorithm == Algorithm::EdDsa => ed25519(which),
        None if algorithm.is_symmetric() => secret(which),
        None => rsa(which),
    }
}

pub(super) fn jwk(members: &[(&str, &str)]) -> JsonObject {
    members
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect()
}

pub(super) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

pub(super) fn rsa(which: usize) -> &'static Made {
    static MADE: LazyLock<[Made; 2]> = LazyLock::new(|| [new_rsa(), new_rsa()]);
    &MADE[which]
}

/// PKCS#8 holds PKCS#1, which is version, n, e, d, p, q, dp, dq, qi (RFC 8017, appendix A.1.2).
fn new_rsa() -> Made {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8 = pair.as_der().unwrap();
    let (_, outer) = parse_der(pkcs8.as_ref()).unwrap();
    let (_, inner) = parse_der(outer.as_sequence().unwrap()[2].as_slice().unwrap()).unwrap();
    let numbers: Vec<String> = inner.as_sequence().unwrap()[1..]
        .iter()
        .map(|number| {
            let bytes = number.as_slice().unwrap();
            encoded(bytes.strip_prefix(&[0]).unwrap_or(bytes))
        })
        .collect();
    let names = ["d", "p", "q", "dp", "dq", "qi"];
    let private: Vec<_> = names
        .into_iter()
        .zip(numbers[2..].iter().map(String::as_str))
        .collect();
    let public = jwk(&[("kty", "RSA"), ("n", &numbers[0]), ("e", &numbers[1])]);
    Made::new(
        public,
        &private,
        pair.public_key().as_der().unwrap().as_ref().to_vec(),
    )
}

pub(super) fn ec(curve: Curve, which: usize) -> &'static Made {
    static MADE: LazyLock<[[Made; 2]; 3]> =
        LazyLock::new(|| Curve::ALL.map(|curve| [new_ec(curve), new_ec(curve)]));
    let at = Curve::ALL.iter().position(|of| *of == curve).unwrap();
    &MADE[at][which]
}

fn new_ec(curve: Curve) -> Made {
    let pair = EcdsaKeyPair::generate(curve.signing()).unwrap();
    let d = pair.private_key().as_be_bytes().unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(curve.width());
    let public = jwk(&[
        ("kty", "EC"),
        ("crv", curve.as_str()),
        ("x", &encoded(x)),
        ("y", &encoded(y)),
    ]);
    let spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
    Made::new(public, &[("d", &encoded(d.as_ref()))], spki)
}

pub(super) fn ed25519(which: usize) -> &'static Made {
    static MADE: LazyLock<[Made; 2]> = LazyLock::new(|| [new_ed25519(), new_ed25519()]);
    &MADE[which]
}

fn new_ed25519() -> Made {
    let pair = Ed25519KeyPair::generate().unwrap();
    let seed = pair.seed().unwrap();
    let seed = seed.as_be_bytes().unwrap();
    let x = encoded(pair.public_key().as_ref());
    let public = jwk(&[("kty", "OKP"), ("crv", "Ed25519"), ("x", &x)]);
    let spki = pair.public_key().as_der().unwrap().as_ref().to_vec();
    Made::new(public, &[("d", &encoded(seed.as_ref()))], spki)
}

pub(super) fn secret(which: usize) -> &'static Made {
    static MADE: LazyLock<[Made; 2]> = LazyLock::new(|| {
        [[7; 32], [8; 32]].map(|k| {
            let public = jwk(&[("kty", "oct"), ("k", &encoded(&k))]);
            Made::new(public, &[], Vec::new())
        })
    });
    &MADE[which]
}
