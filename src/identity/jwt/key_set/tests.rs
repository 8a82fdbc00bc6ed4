//! Which keys of a set are used, under which name, and what is said about the others.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::identity::{jose::made, jwt::JwtError};

/// Adds members to a key; `null` takes one away.
fn with(key: &Value, members: Value) -> Value {
    let mut key = key.clone();
    let object = key.as_object_mut().unwrap();
    let Value::Object(members) = members else {
        panic!("{members}");
    };
    object.extend(members);
    object.retain(|_, value| !value.is_null());
    key
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An RSA key of the name `rsa`.
fn rsa() -> Value {
    let public = made::pair(Algorithm::Rs256, 0).public.clone();
    with(&public.into(), json!({ "kid": "rsa" }))
}

/// A P-256 key of this name; new each time.
fn ec(kid: &str) -> Value {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    json!({ "kid": kid, "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y) })
}

fn ed25519(kid: &str) -> Value {
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = encoded(pair.public_key().as_ref());
    json!({ "kid": kid, "kty": "OKP", "crv": "Ed25519", "x": x })
}

#[track_caller]
fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

#[track_caller]
fn said(key: Value) -> String {
    let set = set(&[key]);
    assert!(set.is_empty());
    let [skipped] = set.skipped() else {
        panic!("{:?}", set.skipped());
    };
    skipped.why.clone()
}

#[test]
fn a_key_is_found_by_its_kid_and_serves_the_algorithms_of_its_type() {
    let set = set(&[rsa(), ec("ec"), ed25519("ed")]);
    assert_eq!((set.len(), set.skipped()), (3, &[][..]));
    for algorithm in Algorithm::ALL {
        let kid = match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => Some("rsa"),
            Algorithm::Es256 => Some("ec"),
            Algorithm::EdDsa => Some("ed"),
            Algorithm::Es384
            | Algorithm::Es512
            | Algorithm::Hs256
            | Algorithm::Hs384
            | Algorithm::Hs512 => None,
        };
        for tried in ["rsa", "ec", "ed"] {
            let found = set.find(Some(tried), algorithm);
            if kid == Some(tried) {
                assert!(found.unwrap().fits(algorithm));
            } else {
                assert_eq!(found.unwrap_err(), JwtError::Algorithm);
            }
        }
        // Without a `kid` the algorithm is enough, since no two keys share one.
        match kid {
            Some(kid) => assert_eq!(
                set.find(None, algorithm).unwrap().digest(),
                set.find(Some(kid), algorithm).unwrap().digest()
            ),
            None => assert_eq!(set.find(None, algorithm).unwrap_err(), JwtError::UnknownKey),
        }
        for kid in ["", "RSA", "rsa ", "other"] {
            assert!(!set.has(kid));
            assert_eq!(
                set.find(Some(kid), algorithm).unwrap_err(),
                JwtError::UnknownKey
            );
        }
    }
}

#[test]
fn without_a_kid_the_key_must_be_the_only_one() {
    let two = set(&[ec("a"), ec("b")]);
    assert_eq!(
        two.find(None, Algorithm::Es256).unwrap_err(),
        JwtError::UnknownKey
    );
    assert!(two.find(Some("a"), Algorithm::Es256).is_ok());
    let one = set(&[ec("a")]);
    assert!(one.find(None, Algorithm::Es256).is_ok());
    let none = set(&[]);
    assert_eq!(
        none.find(None, Algorithm::Es256).unwrap_err(),
        JwtError::UnknownKey
    );
    assert_eq!(
        none.find(Some("a"), Algorithm::Es256).unwrap_err(),
        JwtError::UnknownKey
    );
}

#[test]
fn an_alg_pins_the_key() {
    let set = set(&[with(&rsa(), json!({ "alg": "RS512" }))]);
    for algorithm in Algorithm::ALL {
        let [named, unnamed] = [Some("rsa"), None].map(|kid| set.find(kid, algorithm));
        if algorithm == Algorithm::Rs512 {
            assert!(named.is_ok() && unnamed.is_ok());
        } else {
            assert_eq!(named.unwrap_err(), JwtError::Algorithm);
            assert_eq!(unnamed.unwrap_err(), JwtError::UnknownKey);
        }
    }
}

#[test]
fn a_kid_and_an_algorithm_name_one_key() {
    let rs256 = with(&rsa(), json!({ "kid": "k", "alg": "RS256" }));
    let any_rsa = with(&rsa(), json!({ "kid": "k" }));
    let [first, second] = [ec("k"), ec("k")];

    let of_two_types = set(&[rs256.clone(), first.clone()]);
    assert_eq!(of_two_types.len(), 2);
    assert!(of_two_types.find(Some("k"), Algorithm::Es256).is_ok());
    assert!(of_two_types.find(Some("k"), Algorithm::Rs256).is_ok());
    assert_eq!(
        of_two_types.find(Some("k"), Algorithm::Rs384).unwrap_err(),
        JwtError::Algorithm
    );

    let pinned_apart = set(&[rs256.clone(), with(&any_rsa, json!({ "alg": "PS256" }))]);
    assert_eq!(pinned_apart.len(), 2);

    for (before, after) in [
        (&first, &second),
        (&first, &first),
        (&rs256, &any_rsa),
        (&any_rsa, &rs256),
    ] {
        let both = set(&[before.clone(), after.clone()]);
        assert_eq!(both.len(), 1);
        assert_eq!(both.skipped()[0].at, 1);
        assert_eq!(
            both.skipped()[0].why,
            "a key of this `kid` and algorithm came before"
        );
        let algorithm = if before == &first {
            Algorithm::Es256
        } else {
            Algorithm::Rs256
        };
        let alone = set(std::slice::from_ref(before));
        assert_eq!(
            both.find(Some("k"), algorithm).unwrap().digest(),
            alone.find(Some("k"), algorithm).unwrap().digest()
        );
    }
}

#[test]
fn a_use_that_is_signatures_is_a_use() {
    for members in [
        json!({ "use": "sig" }),
        json!({ "key_ops": ["verify"] }),
        json!({ "key_ops": ["sign", "verify"], "use": "sig", "alg": "PS384" }),
        json!({ "x5c": ["!"], "x5t": 1, "x5u": "http://evil.example/", "more": [{}] }),
        json!({ "kid": "k".repeat(256) }),
    ] {
        let set = set(&[with(&rsa(), members.clone())]);
        assert_eq!(set.len(), 1, "{members}: {:?}", set.skipped());
    }
}

/// Changes a good key by some members, line by line.
#[track_caller]
fn each_is_said(lines: &[(Value, &str)]) {
    for (members, why) in lines {
        assert_eq!(said(with(&rsa(), members.clone())), *why, "{members}");
    }
}

#[test]
fn what_is_said_about_keys_without_a_usable_name() {
    let long = "k".repeat(257);
    each_is_said(&[
        (json!({ "kid": null }), "the key has no `kid`"),
        (json!({ "kid": 7 }), "the `kid` is not a string"),
        (json!({ "kid": "" }), "the `kid` is empty"),
        (json!({ "kid": long }), "the `kid` has more than 256 bytes"),
    ]);
    for no_object in [json!(null), json!("rsa"), json!([rsa()]), json!(1)] {
        assert_eq!(said(no_object), "the key is not an object");
    }
}

#[test]
fn what_is_said_about_keys_that_are_not_for_tokens() {
    let usage = "the `use` is not `sig`";
    let operations = "the `key_ops` are no list with `verify` in it";
    let private = "the private part of the key is published with it";
    let secret = "a shared secret does not belong into a key set";
    each_is_said(&[
        (json!({ "use": "enc" }), usage),
        (json!({ "use": "SIG" }), usage),
        (json!({ "use": ["sig"] }), usage),
        (json!({ "key_ops": [] }), operations),
        (json!({ "key_ops": ["sign"] }), operations),
        (json!({ "key_ops": "verify" }), operations),
        (json!({ "use": "sig", "key_ops": ["wrapKey"] }), operations),
        (json!({ "d": "AQAB" }), private),
        (json!({ "kty": "oct", "k": "c2VjcmV0" }), secret),
    ]);
}

#[test]
fn what_is_said_about_algorithms() {
    let unknown = "the `alg` is not a signature algorithm that is known";
    let es256 = "the `alg` is `ES256`, which is not of the key's type";
    let hs256 = "the `alg` is `HS256`, which is not of the key's type";
    each_is_said(&[
        (json!({ "alg": "RSA-OAEP" }), unknown),
        (json!({ "alg": "none" }), unknown),
        (json!({ "alg": "rs256" }), unknown),
        (json!({ "alg": "" }), unknown),
        (json!({ "alg": 256 }), unknown),
        (json!({ "alg": "ES256" }), es256),
        (json!({ "alg": "HS256" }), hs256),
    ]);
}

#[test]
fn what_is_said_about_unusable_material() {
    let lines = [
        (json!({ "kty": null }), "`kty` is missing"),
        (json!({ "kty": "DSA" }), "the key type `DSA` is unknown"),
        (json!({ "kty": "EC" }), "`crv` is missing"),
        (
            json!({ "kty": "EC", "crv": "P-224" }),
            "the curve `P-224` is unknown",
        ),
        (
            json!({ "kty": "OKP", "crv": "Ed448" }),
            "the curve `Ed448` is unknown",
        ),
        (
            json!({ "n": encoded(&[0xff; 128]) }),
            "an RSA key has 2048 to 8192 bits, not 1024",
        ),
        (
            json!({ "e": "AA" }),
            "the key material is not valid for its type",
        ),
        (json!({ "n": "no+base64url" }), "`n` is not base64url"),
    ];
    for (members, why) in lines {
        let why = format!("the key cannot be used: {why}");
        each_is_said(&[(members, &why)]);
    }
    let off_curve = with(&ec("k"), json!({ "y": ec("k")["x"] }));
    assert_eq!(
        said(off_curve),
        "the key cannot be used: the key material is not valid for its type"
    );
}

#[test]
fn one_bad_key_leaves_the_good_ones() {
    let [first, last] = [ec("first"), ec("last")];
    let good = set(&[first.clone(), last.clone()]);
    for bad in [
        json!(null),
        json!({}),
        ec(""),
        with(&ec("bad"), json!({ "use": "enc" })),
        with(&ec("bad"), json!({ "x": "AA" })),
    ] {
        let kid = bad.get("kid").and_then(Value::as_str).map(str::to_owned);
        let set = set(&[first.clone(), bad, last.clone()]);
        assert_eq!(set.len(), 2);
        assert!(set.find(Some("first"), Algorithm::Es256).is_ok());
        assert!(set.find(Some("last"), Algorithm::Es256).is_ok());
        assert_eq!(
            set.find(Some("bad"), Algorithm::Es256).unwrap_err(),
            JwtError::UnknownKey
        );
        let [skipped] = set.skipped() else { panic!() };
        assert_eq!((skipped.at, &skipped.kid), (1, &kid));
        assert_eq!(set, good);
    }
}

#[test]
fn a_long_kid_is_cut_for_the_log() {
    let set = set(&[with(&rsa(), json!({ "kid": "ä".repeat(300) }))]);
    assert_eq!(set.skipped()[0].kid.as_deref(), Some(&*"ä".repeat(64)));
}

#[test]
fn sets_are_equal_when_their_usable_keys_are() {
    let [a, b] = [ec("a"), ec("b")];
    let both = set(&[a.clone(), b.clone()]);
    assert_eq!(both, set(&[b.clone(), a.clone()]));
    let text = format!("\n{{ \"more\": 1, \"keys\" : [ {b:#}, {a:#} ] }}");
    assert_eq!(both, KeySet::parse(text.as_bytes()).unwrap());
    assert_eq!(
        both,
        set(&[
            with(&a, json!({ "use": "sig", "x5t": "x" })),
            b.clone(),
            json!({})
        ])
    );

    for other in [
        vec![],
        vec![a.clone()],
        vec![a.clone(), b.clone(), rsa()],
        vec![a.clone(), ec("b")],
        vec![a.clone(), with(&b, json!({ "kid": "c" }))],
        vec![
            with(&a, json!({ "kid": "b" })),
            with(&b, json!({ "kid": "a" })),
        ],
        vec![a.clone(), with(&b, json!({ "alg": "ES256" }))],
    ] {
        assert_ne!(both, set(&other));
    }
}

#[test]
fn a_set_is_an_object_with_a_list_of_keys() {
    for (text, what) in [
        ("", "json"),
        ("[]", "json"),
        ("<html>", "json"),
        (r#"{"keys": []} {}"#, "json"),
        (r#"{"keys": [], "keys": []}"#, "json"),
        (r#"{"keys": [{"kid": "a", "kid": "b"}]}"#, "json"),
        ("{}", "no keys"),
        (r#"{"keys": null}"#, "no keys"),
        (r#"{"keys": {}}"#, "no keys"),
        (r#"{"Keys": []}"#, "no keys"),
    ] {
        let said = match KeySet::parse(text.as_bytes()).unwrap_err() {
            InvalidKeySet::Json(_) => "json",
            InvalidKeySet::NoKeys => "no keys",
            InvalidKeySet::TooMany(_) => "too many",
        };
        assert_eq!(said, what, "{text}");
    }
    assert!(KeySet::parse(br#"{"keys": []}"#).unwrap().is_empty());
}

#[test]
fn a_set_has_a_bounded_number_of_keys() {
    let text = |count: usize| json!({ "keys": vec![json!({}); count] }).to_string();
    let most = KeySet::parse(text(KeySet::MAX_KEYS).as_bytes()).unwrap();
    assert_eq!(most.skipped().len(), KeySet::MAX_KEYS);
    let error = KeySet::parse(text(KeySet::MAX_KEYS + 1).as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the key set has 257 keys; 256 are the most"
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(KeySet::parse(&text).is_err());
    }

    #[test]
    fn no_members_panic(
        names in proptest::collection::vec("kid|kty|crv|use|alg|key_ops|n|e|x|y|k|d", 0..10),
        values in proptest::collection::vec(
            prop_oneof![
                Just(json!(null)), Just(json!(1e300)), Just(json!(["verify"])), Just(json!({})),
                Just(json!("RSA")), Just(json!("EC")), Just(json!("P-256")), Just(json!("sig")),
                "[A-Za-z0-9_-]{0,400}".prop_map(Value::from), any::<String>().prop_map(Value::from),
            ],
            10,
        ),
    ) {
        let entry: Value = Value::Object(names.into_iter().zip(values).collect());
        let text = json!({ "keys": [entry, ec("good")] }).to_string();
        let set = KeySet::parse(text.as_bytes()).unwrap();
        prop_assert!(set.find(Some("good"), Algorithm::Es256).is_ok());
        prop_assert_eq!(set.skipped().len(), usize::from(set.len() == 1));
    }
}
