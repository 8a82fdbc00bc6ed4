//! Every algorithm signs and verifies, and nothing else verifies.

mod materials;
mod pems;
mod vectors;

use proptest::prelude::*;

use super::*;
use made::Made;

/// A key of every type, and another of the same type.
fn pairs() -> [[&'static Made; 2]; 6] {
    [
        [made::rsa(0), made::rsa(1)],
        [made::ec(Curve::P256, 0), made::ec(Curve::P256, 1)],
        [made::ec(Curve::P384, 0), made::ec(Curve::P384, 1)],
        [made::ec(Curve::P521, 0), made::ec(Curve::P521, 1)],
        [made::ed25519(0), made::ed25519(1)],
        [made::secret(0), made::secret(1)],
    ]
}

#[test]
fn a_signature_verifies_with_its_key_its_message_and_its_algorithm_and_nothing_else() {
    let message = b"header.payload";
    let mut signed = 0;
    for [made, other] in pairs() {
        let signing = SigningKey::from_jwk(&made.private).unwrap();
        let key = VerifyingKey::from_jwk(&made.public).unwrap();
        let stranger = VerifyingKey::from_jwk(&other.public).unwrap();
        for algorithm in Algorithm::ALL {
            let Ok(signature) = signing.sign(algorithm, message) else {
                assert!(!key.fits(algorithm), "{key:?} fits {algorithm:?}");
                continue;
            };
            signed += 1;
            assert!(key.fits(algorithm), "{key:?} does not fit {algorithm:?}");
            assert!(key.verify(algorithm, message, &signature), "{algorithm:?}");

            assert!(!key.verify(algorithm, b"header.payloae", &signature));
            assert!(!stranger.verify(algorithm, message, &signature));
            for other in Algorithm::ALL.into_iter().filter(|a| *a != algorithm) {
                assert!(
                    !key.verify(other, message, &signature),
                    "{algorithm:?} as {other:?}"
                );
            }
            for at in [0, signature.len() / 2, signature.len() - 1] {
                let mut flipped = signature.clone();
                flipped[at] ^= 1;
                assert!(
                    !key.verify(algorithm, message, &flipped),
                    "{algorithm:?} at {at}"
                );
            }
            assert!(!key.verify(algorithm, message, &[]));
            assert!(!key.verify(algorithm, message, &signature[1..]));
            assert!(!key.verify(algorithm, message, &[&signature[..], &[0]].concat()));
            assert!(!key.verify(algorithm, message, &vec![0; signature.len()]));
        }
    }
    assert_eq!(signed, Algorithm::ALL.len());
}

#[test]
fn a_key_signs_with_the_algorithms_of_its_type_only() {
    for [made, _] in pairs() {
        let signing = SigningKey::from_jwk(&made.private).unwrap();
        let key = VerifyingKey::from_jwk(&made.public).unwrap();
        for algorithm in Algorithm::ALL {
            let signed = signing.sign(algorithm, b"");
            if key.fits(algorithm) {
                assert!(signed.is_ok(), "{algorithm:?}");
            } else {
                assert_eq!(signed, Err(UnusableKey::Algorithm(algorithm)));
            }
        }
    }
}

/// The oldest attack on JWT: the public key, which everybody has, as the secret of an HMAC.
#[test]
fn an_hmac_keyed_with_the_public_key_verifies_with_no_public_key() {
    let message = b"header.payload";
    for [made, _] in pairs().into_iter().take(5) {
        let key = VerifyingKey::from_jwk(&made.public).unwrap();
        let pem = made.pem();
        let texts: [&[u8]; 3] = [pem.as_bytes(), pem.trim_end().as_bytes(), &made.spki];
        for text in texts {
            for (algorithm, hmac) in HMAC {
                let forged = hmac::sign(&hmac::Key::new(*hmac, text), message);
                assert!(!key.fits(algorithm));
                assert!(!key.verify(algorithm, message, forged.as_ref()));
                // The forgery itself is sound: it is the key's type that stops it.
                assert!(VerifyingKey::from_secret(text).verify(
                    algorithm,
                    message,
                    forged.as_ref()
                ));
            }
        }
    }
}

#[test]
fn an_empty_secret_is_a_secret_but_an_empty_k_is_no_key() {
    let key = VerifyingKey::from_secret(b"");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), b"message");
    assert!(key.verify(Algorithm::Hs256, b"message", tag.as_ref()));
    assert!(!key.verify(Algorithm::Hs256, b"message", &[]));
}

#[test]
fn the_same_key_has_one_digest_and_another_key_another() {
    let mut digests = std::collections::HashSet::new();
    for made in pairs().into_iter().flatten() {
        let key = VerifyingKey::from_jwk(&made.public).unwrap();
        let again = VerifyingKey::from_jwk(&made.private).unwrap();
        assert_eq!(key.digest(), again.digest());
        assert!(digests.insert(*key.digest()));
    }
}

#[test]
fn a_key_shows_nothing_of_itself() {
    let secret = VerifyingKey::from_secret(b"correct horse");
    assert_eq!(format!("{secret:?}"), "VerifyingKey[Hs256, Hs384, Hs512]");
    let signing = SigningKey::from_jwk(&made::secret(0).private).unwrap();
    assert_eq!(format!("{signing:?}"), "SigningKey(oct)");
}

proptest! {
    #[test]
    fn no_signature_panics_or_verifies_by_chance(
        message in proptest::collection::vec(any::<u8>(), 0..64),
        signature in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        for [made, _] in pairs() {
            let key = VerifyingKey::from_jwk(&made.public).unwrap();
            for algorithm in Algorithm::ALL {
                prop_assert!(!key.verify(algorithm, &message, &signature));
            }
        }
    }

    #[test]
    fn no_key_material_panics(
        kty in prop_oneof![Just("RSA"), Just("EC"), Just("OKP"), Just("oct"), Just("")],
        crv in prop_oneof![Just("P-256"), Just("P-384"), Just("P-521"), Just("Ed25519")],
        bytes in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..70),
                proptest::collection::vec(any::<u8>(), 256..260),
                Just(vec![0]), Just(vec![1]), Just(vec![1, 0, 1]),
                Just(vec![0; 32]), Just(vec![0xff; 48]), Just(vec![0xff; 256]),
            ],
            10,
        ),
    ) {
        let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y"];
        let mut jwk = made::jwk(&[("kty", kty), ("crv", crv)]);
        for (name, bytes) in names.iter().zip(&bytes) {
            jwk.insert((*name).to_owned(), made::encoded(bytes).into());
        }
        if let Ok(key) = VerifyingKey::from_jwk(&jwk) {
            for algorithm in Algorithm::ALL {
                prop_assert!(!key.verify(algorithm, b"message", &bytes[0]));
            }
        }
        prop_assert!(SigningKey::from_jwk(&jwk).is_err());
    }

    #[test]
    fn no_pem_panics(text in "(-----BEGIN (PUBLIC KEY|CERTIFICATE)-----\n)?[A-Za-z0-9+/=\n]{0,200}(\n-----END (PUBLIC KEY|CERTIFICATE)-----)?") {
        prop_assert!(VerifyingKey::from_pem(&text).is_err());
    }
}
