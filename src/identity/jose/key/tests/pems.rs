//! PEM: the same key as in the JWK, or no key.

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};

use super::super::{
    Algorithm, Curve, SigningKey, UnusableKey, VerifyingKey,
    made::{self, Made},
};

fn public() -> [&'static Made; 5] {
    [
        made::rsa(0),
        made::ec(Curve::P256, 0),
        made::ec(Curve::P384, 0),
        made::ec(Curve::P521, 0),
        made::ed25519(0),
    ]
}

#[track_caller]
fn refused(pem: &str) -> UnusableKey {
    VerifyingKey::from_pem(pem).unwrap_err()
}

#[test]
fn a_public_key_verifies_what_its_private_key_signed() {
    for made in public() {
        let signing = SigningKey::from_jwk(&made.private).unwrap();
        let key = VerifyingKey::from_pem(&made.pem()).unwrap();
        let same = VerifyingKey::from_jwk(&made.public).unwrap();
        for algorithm in Algorithm::ALL {
            assert_eq!(key.fits(algorithm), same.fits(algorithm));
            if let Ok(signature) = signing.sign(algorithm, b"message") {
                assert!(key.verify(algorithm, b"message", &signature));
                assert!(!key.verify(algorithm, b"massage", &signature));
            }
        }
    }
}

#[test]
fn a_certificate_stands_for_its_key() {
    for (algorithm, jose) in [
        (&PKCS_RSA_SHA256, Algorithm::Ps384),
        (&PKCS_ECDSA_P256_SHA256, Algorithm::Es256),
        (&PKCS_ED25519, Algorithm::EdDsa),
    ] {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let certificate = CertificateParams::new(vec!["idp.example".to_owned()])
            .unwrap()
            .self_signed(&pair)
            .unwrap();
        let key = VerifyingKey::from_pem(&certificate.pem()).unwrap();
        assert!(key.fits(jose));
        let bare = VerifyingKey::from_pem(&pair.public_key_pem()).unwrap();
        assert_eq!(key.digest(), bare.digest());
        assert_eq!(refused(&pair.serialize_pem()), UnusableKey::PemLabel);
    }
}

#[test]
fn white_space_around_the_block_is_no_matter() {
    for made in public() {
        let pem = made.pem();
        for same in [
            format!("\n  {pem}\n\n \t"),
            pem.trim_end().to_owned(),
            pem.replace('\n', "\r\n"),
        ] {
            assert!(VerifyingKey::from_pem(&same).is_ok(), "{same}");
        }
    }
}

#[test]
fn anything_but_one_block_is_refused() {
    let pem = made::rsa(0).pem();
    let other = made::rsa(1).pem();
    let unknown = made::pem("SOMETHING ELSE", b"x");
    for text in [
        "",
        "key",
        "-----BEGIN PUBLIC KEY-----",
        &format!("{pem}{other}"),
        &format!("{pem}{unknown}"),
        &format!("{unknown}{pem}"),
        &format!("{pem}text behind"),
        &format!("text before\n{pem}"),
        &pem.replace("-----END PUBLIC KEY-----", ""),
        &pem.replace("-----END PUBLIC KEY-----", "-----END CERTIFICATE-----"),
        &pem.replace("-----END PUBLIC KEY-----", "-----END PUBLIC KEY----- x"),
        &pem.replace("-----END PUBLIC", "*\n-----END PUBLIC"),
    ] {
        assert_eq!(refused(text), UnusableKey::Pem, "{text}");
    }
}

#[test]
fn a_block_of_another_kind_is_refused() {
    let spki = &made::rsa(0).spki;
    for label in [
        "RSA PUBLIC KEY",
        "RSA PRIVATE KEY",
        "EC PARAMETERS",
        "X509 CRL",
        "public key",
    ] {
        assert_eq!(
            refused(&made::pem(label, spki)),
            UnusableKey::PemLabel,
            "{label}"
        );
    }
    assert_eq!(
        refused(&made::pem("CERTIFICATE", spki)),
        UnusableKey::Certificate
    );
}

#[test]
fn der_is_read_to_its_end() {
    for made in public() {
        let longer = [&made.spki[..], &[0]].concat();
        assert_eq!(
            refused(&made::pem("PUBLIC KEY", &longer)),
            UnusableKey::PublicKey
        );
        for length in 0..made.spki.len() {
            assert!(
                VerifyingKey::from_pem(&made::pem("PUBLIC KEY", &made.spki[..length])).is_err()
            );
        }
    }
}

/// Nothing in DER panics, and what a flipped bit leaves readable is another key.
#[test]
fn a_flipped_bit_never_gives_the_same_key() {
    for made in public() {
        let digest = *VerifyingKey::from_pem(&made.pem()).unwrap().digest();
        for at in 0..made.spki.len() {
            let mut spki = made.spki.clone();
            spki[at] ^= 1;
            if let Ok(key) = VerifyingKey::from_pem(&made::pem("PUBLIC KEY", &spki)) {
                assert_ne!(*key.digest(), digest);
            }
        }
    }
}

#[test]
fn a_key_of_a_type_without_an_algorithm_is_refused() {
    // X25519 (RFC 8410), which only encrypts; P-224, which JOSE does not know.
    let x25519 = [
        &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0][..],
        &[9; 32],
    ]
    .concat();
    let mut p224 = made::ec(Curve::P384, 0).spki.clone();
    let name = p224
        .windows(5)
        .position(|oid| oid == [0x2b, 0x81, 4, 0, 0x22])
        .unwrap();
    p224[name + 4] = 0x21;
    for spki in [x25519, p224] {
        let pem = made::pem("PUBLIC KEY", &spki);
        assert_eq!(refused(&pem), UnusableKey::PublicKeyType);
    }
}

#[test]
fn a_weak_rsa_key_is_refused() {
    // n is 2^1024 - 1, e is 65537.
    let mut number = vec![2, 0x81, 0x81, 0];
    number.extend([0xff; 128]);
    number.extend([2, 3, 1, 0, 1]);
    let key = [&[0x30, 0x81, 0x89][..], &number].concat();
    let bits = [&[3, 0x81, 0x8d, 0][..], &key].concat();
    let name = [
        0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0,
    ];
    let spki = [&[0x30, 0x81, 0x9f][..], &name, &bits].concat();
    assert_eq!(
        refused(&made::pem("PUBLIC KEY", &spki)),
        UnusableKey::RsaSize(1024)
    );
}

/// PKCS#8 of every type, and the older forms of RSA and EC.
fn private_pems() -> Vec<(String, &'static [Algorithm], String)> {
    use aws_lc_rs::{
        encoding::AsDer as _,
        rsa::KeySize,
        signature::{EcdsaKeyPair, KeyPair as _, RsaKeyPair},
    };
    const RSA: &[Algorithm] = &[
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ];
    let mut pems = Vec::new();
    for curve in Curve::ALL {
        let pair = EcdsaKeyPair::generate(curve.signing()).unwrap();
        let public = made::pem("PUBLIC KEY", pair.public_key().as_der().unwrap().as_ref());
        let sec1 = pair.private_key().as_der().unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        let fitting: &[Algorithm] = match curve {
            Curve::P256 => &[Algorithm::Es256],
            Curve::P384 => &[Algorithm::Es384],
            Curve::P521 => &[Algorithm::Es512],
        };
        pems.push((
            made::pem("EC PRIVATE KEY", sec1.as_ref()),
            fitting,
            public.clone(),
        ));
        pems.push((made::pem("PRIVATE KEY", pkcs8.as_ref()), fitting, public));
    }
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = made::pem("PUBLIC KEY", pair.public_key().as_der().unwrap().as_ref());
    let pkcs8 = pair.as_der().unwrap();
    let (_, outer) = x509_parser::der_parser::parse_der(pkcs8.as_ref()).unwrap();
    let pkcs1 = outer.as_sequence().unwrap()[2].as_slice().unwrap();
    pems.push((made::pem("RSA PRIVATE KEY", pkcs1), RSA, public.clone()));
    pems.push((made::pem("PRIVATE KEY", pkcs8.as_ref()), RSA, public));
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    pems.push((
        pair.serialize_pem(),
        &[Algorithm::EdDsa],
        pair.public_key_pem(),
    ));
    pems
}

#[test]
fn a_private_key_signs_what_its_public_key_verifies() {
    for (private, fitting, public) in private_pems() {
        let signing = SigningKey::from_pem(&private).unwrap();
        let verifying = VerifyingKey::from_pem(&public).unwrap();
        for algorithm in Algorithm::ALL {
            let signature = signing.sign(algorithm, b"message");
            assert_eq!(
                signature.is_ok(),
                fitting.contains(&algorithm),
                "{algorithm:?}"
            );
            if let Ok(signature) = signature {
                assert!(verifying.verify(algorithm, b"message", &signature));
                assert!(!verifying.verify(algorithm, b"massage", &signature));
            }
        }
        assert_eq!(
            SigningKey::from_pem(&public).unwrap_err(),
            UnusableKey::PrivatePemLabel
        );
        let twice = format!("{private}{private}");
        assert_eq!(SigningKey::from_pem(&twice).unwrap_err(), UnusableKey::Pem);
    }
}

#[test]
fn a_label_that_is_not_the_keys_is_refused() {
    let (sec1, ..) = &private_pems()[0];
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY"] {
        let wrong = sec1.replace("EC PRIVATE KEY", label);
        assert_eq!(
            SigningKey::from_pem(&wrong).unwrap_err(),
            UnusableKey::Rejected
        );
    }
}

#[test]
fn a_shared_secret_signs_and_verifies() {
    let (signing, verifying) = (
        SigningKey::from_secret(b"s"),
        VerifyingKey::from_secret(b"s"),
    );
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let signature = signing.sign(algorithm, b"message").unwrap();
        assert!(verifying.verify(algorithm, b"message", &signature));
        assert!(!VerifyingKey::from_secret(b"t").verify(algorithm, b"message", &signature));
    }
    assert!(signing.sign(Algorithm::Rs256, b"message").is_err());
}
