//! Tokens that a policy makes.

use serde_json::{Value, json};

use super::{ALGORITHMS, Keys, case, claims};
use crate::generate::Case;

/// Tokens whose text is the same each time, and all others verified.
#[expect(clippy::too_many_lines, reason = "one row for each case")]
pub(crate) fn signed(keys: &Keys) -> Vec<Case> {
    let secret = keys.private("secret");
    let mut exact = Vec::new();
    let header = |alg: &str| json!({"alg": alg, "typ": "JWT"});
    for payload in [
        json!({}),
        claims(),
        json!({"b": 1.5, "a": [1, "é<>&\u{1}\"\n\u{2028}\u{7f}"], "n": null}),
    ] {
        for (algorithm, key) in [
            ("HS256", "secret"),
            ("HS384", "secret"),
            ("HS512", "secret"),
            ("RS256", "rsa"),
            ("RS384", "rsa"),
            ("RS512", "rsa"),
            ("EdDSA", "ed25519"),
            ("RS256", "secret"),
            ("ES256", "rsa"),
        ] {
            exact.push(
                json!({"header": header(algorithm), "payload": payload, "key": keys.private(key)}),
            );
        }
    }
    for header in [
        json!({}),
        json!({"alg": "none"}),
        json!({"alg": "hs256"}),
        json!({"alg": 1}),
        json!({"alg": "HS256", "typ": 1}),
        json!({"alg": "HS256", "x": {"b": 1, "a": "<"}, "crit": ["x"]}),
        json!(1),
        json!("x"),
    ] {
        exact.push(json!({"header": header, "payload": {}, "key": secret}));
    }
    for key in [
        json!({}),
        json!({"keys": []}),
        json!({"keys": [secret]}),
        json!({"keys": [keys.private("rsa"), secret]}),
        json!({"kty": "oct"}),
        json!({"kty": "oct", "k": ""}),
        json!(1),
        json!("x"),
        keys.public("rsa", &json!({})),
    ] {
        exact.push(json!({"header": header("HS256"), "payload": {}, "key": key}));
    }
    let mut raw = Vec::new();
    let key = json!(secret).to_string();
    for (header, payload) in [
        (r#"{"alg":"HS256"}"#, "{}"),
        (" { \"alg\" : \"HS256\" } ", "{ }"),
        (r#"{"alg":"HS256"}"#, "x"),
        (r#"{"alg":"HS256","typ":"x"}"#, "x y"),
        (r#"{"alg":"HS256","typ":""}"#, "x"),
        (r#"{"alg":"HS256","typ":"JWT"}"#, "x"),
        (r#"{"alg":"HS256","typ":"jwt"}"#, "x"),
        (r#"{"alg":"HS256"}"#, "[1]"),
        (r#"{"alg":"HS256"}"#, ""),
        (r#"{"alg":"HS256","typ":"x"}"#, ""),
        ("x", "{}"),
        ("[]", "{}"),
        ("", "{}"),
        (r#"{"alg":"HS256"}x"#, "{}"),
        (r#"{"alg":"HS256"}"#, "{}x"),
    ] {
        raw.push(json!({"header": header, "payload": payload, "key": key}));
    }
    for key in ["", "x", "[]", "{}", r#"{"keys":[]}"#] {
        raw.push(json!({"header": r#"{"alg":"HS256"}"#, "payload": "{}", "key": key}));
    }
    let random: Vec<Value> = ALGORITHMS
        .iter()
        .map(|(algorithm, key)| json!({"header": header(algorithm), "key": keys.private(key), "cert": keys.public(key, &json!({})).to_string()}))
        .collect();
    vec![
        case(
            "decision := io.jwt.encode_sign(input.header, input.payload, input.key)",
            &exact,
        ),
        case(
            "decision := io.jwt.encode_sign_raw(input.header, input.payload, input.key)",
            &raw,
        ),
        case(
            "decision := io.jwt.decode_verify(io.jwt.encode_sign(input.header, {\"sub\": \"me\"}, input.key), {\"cert\": input.cert})",
            &random,
        ),
    ]
}
