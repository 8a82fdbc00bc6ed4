//! Which key a token is verified with, and by which algorithm.

use super::*;

#[test]
fn each_verify_takes_its_algorithm_and_key_and_no_other() {
    let pairs = [
        (Algorithm::Rs256, "rsa"),
        (Algorithm::Rs384, "rsa"),
        (Algorithm::Rs512, "rsa"),
        (Algorithm::Ps256, "rsa"),
        (Algorithm::Ps384, "rsa"),
        (Algorithm::Ps512, "rsa"),
        (Algorithm::Es256, "p256"),
        (Algorithm::Es384, "p384"),
        (Algorithm::Es512, "p521"),
        (Algorithm::EdDsa, "ed25519"),
    ];
    for (algorithm, key) in pairs {
        let header = json!({"alg": algorithm.as_str()}).to_string();
        let token = signed(&header, "{}", key, algorithm);
        let (input, _) = token.rsplit_once('.').unwrap();
        let jwk = public(key, &json!({})).to_string();
        for (other, _) in pairs {
            let name = format!("io.jwt.verify_{}", other.as_str().to_lowercase());
            let expected = (other == algorithm).to_string();
            for text in [
                &pem(key),
                &jwk,
                &set(&[public("other_rsa", &json!({})), public(key, &json!({}))]),
            ] {
                let answer = call(&jwt_at(0), &name, &[json!(token), json!(text)]);
                assert_eq!(answer, expected, "{algorithm:?} by {name}");
            }
            let stranger = json!(public("other_rsa", &json!({})).to_string());
            assert_eq!(call(&jwt_at(0), &name, &[json!(token), stranger]), "false");
            let unsigned = json!(format!("{input}."));
            assert_eq!(call(&jwt_at(0), &name, &[unsigned, json!(jwk)]), "false");
        }
    }
}

#[test]
fn a_public_key_is_never_a_secret() {
    let secret = "a secret of thirty-two bytes.....";
    let token = signed(r#"{"alg":"HS256"}"#, "{}", "secret", Algorithm::Hs256);
    let hs256 = |key: &str| {
        call(
            &jwt_at(0),
            "io.jwt.verify_hs256",
            &[json!(token), json!(key)],
        )
    };
    assert_eq!(
        (hs256(secret), hs256("other"), hs256("")),
        ("true".into(), "false".into(), "false".into())
    );
    let by = |constraints: serde_json::Value| {
        call(
            &jwt_at(0),
            "io.jwt.decode_verify",
            &[json!(token), constraints],
        )
    };
    assert_eq!(
        by(json!({"secret": secret})),
        r#"[true,{"alg":"HS256"},{}]"#
    );
    assert_eq!(by(json!({"secret": "other"})), REFUSED);
    assert_eq!(
        by(json!({"cert": public("secret", &json!({})).to_string()})),
        r#"[true,{"alg":"HS256"},{}]"#
    );
    assert_eq!(by(json!({"cert": pem("rsa")})), REFUSED);

    let key = json!({"kty": "oct", "k": base64url(pem("rsa").as_bytes())});
    let made = call(
        &jwt_at(0),
        "io.jwt.encode_sign",
        &[json!({"alg": "HS256"}), json!({}), key],
    );
    let confused: String = serde_json::from_str(&made).unwrap();
    let answer = call(
        &jwt_at(0),
        "io.jwt.decode_verify",
        &[json!(confused), json!({"cert": pem("rsa")})],
    );
    assert_eq!(answer, REFUSED);
    let asymmetric = json!({"secret": secret});
    assert_eq!(
        call(
            &jwt_at(0),
            "io.jwt.decode_verify",
            &[json!(rs256("{}")), asymmetric]
        ),
        REFUSED
    );
}

#[test]
fn the_kid_selects_and_keys_of_another_algorithm_are_passed_over() {
    let token = signed(
        r#"{"alg":"RS256","kid":"k"}"#,
        "{}",
        "rsa",
        Algorithm::Rs256,
    );
    let key = |extra: serde_json::Value| public("rsa", &extra);
    let other = |extra: serde_json::Value| public("other_rsa", &extra);
    for (keys, expected) in [
        (
            vec![key(json!({"kid": "k"})), other(json!({"kid": "k"}))],
            true,
        ),
        (
            vec![other(json!({"kid": "k"})), key(json!({"kid": "k"}))],
            false,
        ),
        (vec![other(json!({"kid": "k"})), key(json!({}))], false),
        (vec![other(json!({})), key(json!({"kid": "l"}))], true),
        (vec![key(json!({"alg": "RS512"}))], false),
        (vec![key(json!({"alg": "RS256"}))], true),
        (vec![key(json!({"alg": "RSA-OAEP", "kid": "k"}))], false),
        (
            vec![json!({"kty": "XX"}), json!({}), json!(1), key(json!({}))],
            true,
        ),
        (vec![key(json!({"kid": 1}))], false),
        (
            vec![public("p256", &json!({"kid": "k"})), key(json!({}))],
            false,
        ),
        (vec![], false),
    ] {
        let keys = set(&keys);
        let verified = call(
            &jwt_at(0),
            "io.jwt.verify_rs256",
            &[json!(token), json!(keys)],
        );
        assert_eq!(verified, expected.to_string(), "{keys}");
        let constrained = call(
            &jwt_at(0),
            "io.jwt.decode_verify",
            &[json!(token), json!({"cert": keys})],
        );
        assert_eq!(constrained != REFUSED, expected, "{keys}: {constrained}");
    }
}

#[test]
fn every_level_of_a_nested_token_is_verified() {
    let outer = |inner: &str, key: &str| {
        signed(
            r#"{"alg":"RS256","cty":"jwt"}"#,
            inner,
            key,
            Algorithm::Rs256,
        )
    };
    let good = rs256(r#"{"sub":"inner"}"#);
    let bad = signed(r#"{"alg":"RS256"}"#, "{}", "other_rsa", Algorithm::Rs256);
    for (token, expected) in [
        (
            outer(&good, "rsa"),
            r#"[true,{"alg":"RS256"},{"sub":"inner"}]"#,
        ),
        (
            outer(&outer(&good, "rsa"), "rsa"),
            r#"[true,{"alg":"RS256"},{"sub":"inner"}]"#,
        ),
        (outer(&bad, "rsa"), REFUSED),
        (outer(&good, "other_rsa"), REFUSED),
    ] {
        let answer = call(
            &jwt_at(0),
            "io.jwt.decode_verify",
            &[json!(token), json!({"cert": pem("rsa")})],
        );
        assert_eq!(answer, expected);
    }
}
