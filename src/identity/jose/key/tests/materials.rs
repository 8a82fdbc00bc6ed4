//! JWKs that are no keys, each with what is said about it.

use serde_json::json;

use super::super::{Curve, JsonObject, SigningKey, UnusableKey, VerifyingKey, made};

fn with(jwk: &JsonObject, name: &str, value: serde_json::Value) -> JsonObject {
    let mut jwk = jwk.clone();
    jwk.insert(name.to_owned(), value);
    jwk
}

fn without(jwk: &JsonObject, name: &str) -> JsonObject {
    let mut jwk = jwk.clone();
    assert!(jwk.remove(name).is_some());
    jwk
}

#[track_caller]
fn said(jwk: &JsonObject) -> String {
    VerifyingKey::from_jwk(jwk).unwrap_err().to_string()
}

#[track_caller]
fn said_of_private(jwk: &JsonObject) -> String {
    SigningKey::from_jwk(jwk).unwrap_err().to_string()
}

#[test]
fn the_type_is_one_that_is_known() {
    let rsa = &made::rsa(0).public;
    assert_eq!(said(&without(rsa, "kty")), "`kty` is missing");
    assert_eq!(said(&with(rsa, "kty", json!(1))), "`kty` is not a string");
    assert_eq!(
        said(&with(rsa, "kty", json!("rsa"))),
        "the key type `rsa` is unknown"
    );
    assert_eq!(
        said(&with(rsa, "kty", json!("AKP"))),
        "the key type `AKP` is unknown"
    );
    let long = "\n".repeat(1000);
    let shown = "\\n".repeat(16);
    assert_eq!(
        said(&with(rsa, "kty", json!(long))),
        format!("the key type `{shown}` is unknown")
    );

    let ec = &made::ec(Curve::P256, 0).public;
    assert_eq!(said(&without(ec, "crv")), "`crv` is missing");
    for crv in ["secp256k1", "P-224", "p-256", "Ed25519", ""] {
        let text = format!("the curve `{crv}` is unknown");
        assert_eq!(said(&with(ec, "crv", json!(crv))), text);
    }
    let ed25519 = &made::ed25519(0).public;
    for crv in ["Ed448", "X25519", "P-256"] {
        let text = format!("the curve `{crv}` is unknown");
        assert_eq!(said(&with(ed25519, "crv", json!(crv))), text);
    }
}

#[test]
fn an_rsa_key_has_a_sound_modulus_and_exponent() {
    let rsa = &made::rsa(0).public;
    let n = |bytes: &[u8]| with(rsa, "n", made::encoded(bytes).into());
    let e = |bytes: &[u8]| with(rsa, "e", made::encoded(bytes).into());
    let rejected = "the key material is not valid for its type";

    assert_eq!(said(&without(rsa, "n")), "`n` is missing");
    assert_eq!(said(&without(rsa, "e")), "`e` is missing");
    assert_eq!(said(&with(rsa, "e", json!(65537))), "`e` is not a string");
    assert_eq!(
        said(&with(rsa, "e", json!("AQAB=="))),
        "`e` is not base64url"
    );
    assert_eq!(said(&with(rsa, "n", json!("AQ/+"))), "`n` is not base64url");
    assert_eq!(
        said(&with(rsa, "n", json!(""))),
        "`n` has 0 bytes; one at least is needed"
    );

    let mut weak = vec![0xff; 256];
    weak[0] = 0x7f;
    assert_eq!(
        said(&n(&weak)),
        "an RSA key has 2048 to 8192 bits, not 2047"
    );
    assert_eq!(
        said(&n(&[0xff; 128])),
        "an RSA key has 2048 to 8192 bits, not 1024"
    );
    assert_eq!(
        said(&n(&[0xff; 1025])),
        "an RSA key has 2048 to 8192 bits, not 8200"
    );
    for no_exponent in [&[0][..], &[1], &[2], &[1, 0, 0], &[0xff; 9]] {
        assert_eq!(said(&e(no_exponent)), rejected, "{no_exponent:?}");
    }
    assert_eq!(said(&n(&[0])), rejected);
    assert!(VerifyingKey::from_jwk(&e(&[3])).is_ok());
}

/// Java's `BigInteger` writes a sign byte, and some issuers publish it.
#[test]
fn zeros_before_the_numbers_of_an_rsa_key_do_not_make_another_key() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let rsa = &made::rsa(0).public;
    let n = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
    let padded = with(rsa, "n", made::encoded(&[&[0][..], &n].concat()).into());
    let padded = with(&padded, "e", made::encoded(&[0, 1, 0, 1]).into());
    let [key, same] = [rsa, &padded].map(|jwk| VerifyingKey::from_jwk(jwk).unwrap());
    assert_eq!(key.digest(), same.digest());
}

#[test]
fn a_point_is_on_its_curve_and_written_in_full() {
    for (curve, width) in [(Curve::P256, 32), (Curve::P384, 48), (Curve::P521, 66)] {
        let made = made::ec(curve, 0);
        let ec = &made.public;
        for name in ["x", "y"] {
            assert_eq!(said(&without(ec, name)), format!("`{name}` is missing"));
            let short = with(ec, name, made::encoded(&vec![1; width - 1]).into());
            let text = format!("`{name}` has {} bytes; {width} are needed", width - 1);
            assert_eq!(said(&short), text);
            let text = format!("`{name}` has {} bytes; {width} are needed", width + 1);
            assert_eq!(
                said(&with(ec, name, made::encoded(&vec![1; width + 1]).into())),
                text
            );
        }
        let other = &made::ec(curve, 1).public;
        assert_eq!(
            VerifyingKey::from_jwk(&with(ec, "x", other["x"].clone())).unwrap_err(),
            UnusableKey::Rejected
        );
        for byte in [0, 0xff] {
            let coordinate = made::encoded(&vec![byte; width]);
            let jwk = with(
                &with(ec, "x", coordinate.clone().into()),
                "y",
                coordinate.into(),
            );
            assert_eq!(
                VerifyingKey::from_jwk(&jwk).unwrap_err(),
                UnusableKey::Rejected
            );
        }
        assert!(VerifyingKey::from_jwk(ec).is_ok());
    }
}

#[test]
fn an_ed25519_key_and_a_secret_have_their_bytes() {
    let ed25519 = &made::ed25519(0).public;
    assert_eq!(said(&without(ed25519, "x")), "`x` is missing");
    let short = with(ed25519, "x", made::encoded(&[1; 31]).into());
    assert_eq!(said(&short), "`x` has 31 bytes; 32 are needed");

    let oct = &made::secret(0).public;
    assert_eq!(said(&without(oct, "k")), "`k` is missing");
    assert_eq!(
        said(&with(oct, "k", json!(""))),
        "`k` has 0 bytes; one at least is needed"
    );
    assert_eq!(said(&with(oct, "k", json!("a b"))), "`k` is not base64url");
}

#[test]
fn use_and_operations_and_algorithm_are_the_business_of_a_key_set() {
    let mut jwk = made::rsa(0).public.clone();
    jwk.extend(made::jwk(&[
        ("use", "enc"),
        ("alg", "RSA-OAEP"),
        ("key_ops", "wrapKey"),
    ]));
    assert!(VerifyingKey::from_jwk(&jwk).is_ok());
}

#[test]
fn a_private_key_has_all_its_parts_and_they_belong_together() {
    let rsa = &made::rsa(0).private;
    let other = &made::rsa(1).private;
    for name in ["n", "d", "p", "q", "dp", "dq", "qi"] {
        assert_eq!(
            said_of_private(&without(rsa, name)),
            format!("`{name}` is missing")
        );
        assert_eq!(
            SigningKey::from_jwk(&with(rsa, name, other[name].clone())).unwrap_err(),
            UnusableKey::Rejected,
            "{name}"
        );
    }
    assert_eq!(
        said_of_private(&with(rsa, "oth", json!([]))),
        "an RSA key of more than two primes (`oth`) is not supported"
    );
    assert_eq!(
        said_of_private(&with(rsa, "n", made::encoded(&[0xff; 128]).into())),
        "an RSA key has 2048 to 8192 bits, not 1024"
    );

    let pairs = Curve::ALL
        .map(|curve| [made::ec(curve, 0), made::ec(curve, 1)])
        .into_iter()
        .chain([[made::ed25519(0), made::ed25519(1)]]);
    for [made, other] in pairs {
        assert_eq!(said_of_private(&made.public), "`d` is missing");
        assert_eq!(
            SigningKey::from_jwk(&with(&made.private, "d", other.private["d"].clone()))
                .unwrap_err(),
            UnusableKey::Rejected
        );
        let short = with(&made.private, "d", json!("AA"));
        assert!(said_of_private(&short).starts_with("`d` has 1 bytes; "));
        assert!(SigningKey::from_jwk(&made.private).is_ok());
    }
}
