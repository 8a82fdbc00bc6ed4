//! Whoever writes the token: bounded work, and never a panic.

use proptest::prelude::*;

use super::*;

#[test]
fn tokens_keys_and_sets_are_bounded() {
    let jwt = jwt_at(0);
    let of_length = |length: usize| {
        let token = rs256(&format!(r#"{{"a":"{}"}}"#, "x".repeat(length)));
        call(
            &jwt,
            "io.jwt.verify_rs256",
            &[json!(token), json!(pem("rsa"))],
        )
    };
    assert_eq!(of_length(48_000), "true");
    assert_eq!(
        of_length(49_200),
        "error: the token is longer than 65536 bytes"
    );

    let keys = |count: usize| {
        let mut keys = vec![json!({}); count - 1];
        keys.push(public("rsa", &json!({})));
        call(
            &jwt,
            "io.jwt.verify_rs256",
            &[json!(rs256("{}")), json!(set(&keys))],
        )
    };
    assert_eq!(keys(256), "true");
    assert_eq!(keys(257), "error: there are more than 256 keys");

    let candidates = |count: usize| {
        let keys = vec![public("rsa", &json!({})); count];
        let arguments = [json!(rs256("{}")), json!(set(&keys))];
        call(&jwt, "io.jwt.verify_rs256", &arguments)
    };
    assert_eq!(candidates(32), "true");
    assert_eq!(
        candidates(33),
        "error: more than 32 keys of the set may have signed the token"
    );

    let padded = |length: usize| {
        let mut key = public("rsa", &json!({})).to_string();
        key.push_str(&" ".repeat(length - key.len()));
        call(
            &jwt,
            "io.jwt.verify_rs256",
            &[json!(rs256("{}")), json!(key)],
        )
    };
    assert_eq!(padded(1 << 20), "true");
    assert_eq!(
        padded((1 << 20) + 1),
        "error: the key is longer than 1048576 bytes"
    );
}

#[test]
fn nesting_is_bounded_in_tokens_in_json_and_in_headers() {
    let jwt = jwt_at(0);
    let mut token = rs256(r#"{"sub":"deep"}"#);
    while token.len() < 45_000 {
        token = signed(
            r#"{"alg":"RS256","cty":"JWT"}"#,
            &token,
            "rsa",
            Algorithm::Rs256,
        );
    }
    let answer = call(
        &jwt,
        "io.jwt.decode_verify",
        &[json!(token), json!({"cert": pem("rsa")})],
    );
    assert_eq!(answer, r#"[true,{"alg":"RS256"},{"sub":"deep"}]"#);
    for levels in [100, 10_000] {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        for token in [rs256(&deep), format!("{}.e30.", base64url(deep.as_bytes()))] {
            let answer = call(&jwt, "io.jwt.decode", &[json!(token)]);
            assert_eq!(answer.starts_with("error"), levels > 128, "{levels}");
        }
    }
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        prop_oneof![
            Just("JWT"),
            Just("RS256"),
            Just("HS256"),
            Just("none"),
            Just("a")
        ]
        .prop_map(|text| json!(text)),
    ];
    let name = prop_oneof![
        Just("alg"),
        Just("kid"),
        Just("typ"),
        Just("cty"),
        Just("crit"),
        Just("enc"),
        Just("exp"),
        Just("nbf"),
        Just("aud"),
        Just("iss"),
        Just("keys"),
        Just("kty"),
        Just("n"),
    ];
    let value = leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|fields| json!(fields)),
        ]
    });
    value.prop_map(|value| value.to_string())
}

proptest! {
    #[test]
    fn no_token_key_or_constraint_panics(
        header in json_text(),
        payload in json_text(),
        key in prop_oneof![json_text(), any::<String>(), Just(pem("rsa"))],
        raw in any::<String>(),
        constraints in json_text(),
        signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let jwt = jwt_at(1);
        let token = format!("{}.{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()), base64url(&signature));
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|_| json!(text));
        for (name, arguments, _) in FUNCTIONS {
            for token in [&token, &raw] {
                let arguments = match arguments {
                    1 => vec![json!(token)],
                    2 if *name == "io.jwt.decode_verify" => vec![json!(token), parsed(&constraints)],
                    2 => vec![json!(token), json!(key)],
                    _ if *name == "io.jwt.encode_sign" => vec![parsed(&header), parsed(&payload), parsed(&key)],
                    _ => vec![json!(header), json!(token), json!(key)],
                };
                let answer = call(&jwt, name, &arguments);
                // Nobody signed it.
                prop_assert!(!answer.starts_with("[true") && answer != "true", "{} {:?}", name, arguments);
            }
            let answer = call(&jwt, "io.jwt.decode_verify", &[json!(token), json!({"cert": key})]);
            prop_assert!(!answer.starts_with("[true"));
        }
    }
}
