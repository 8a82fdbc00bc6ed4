//! Tokens that a policy makes.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "one row for each case")]
fn what_is_signed_is_what_the_reference_signs() {
    let secret = json!(private("secret"));
    let payload = json!({"b": 1.5, "a": "é<>&\u{1}\u{2028}"});
    let encode =
        |header, payload, key| call(&jwt_at(0), "io.jwt.encode_sign", &[header, payload, key]);
    let made: String = serde_json::from_str(&encode(
        json!({"typ": "JWT", "alg": "HS256"}),
        payload,
        secret.clone(),
    ))
    .unwrap();
    let text = |part: usize| {
        let part = made.split('.').nth(part).unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(text(0), r#"{"alg":"HS256","typ":"JWT"}"#);
    assert_eq!(
        text(1),
        r#"{"a":"é\u003c\u003e\u0026\u0001\u2028","b":1.5}"#
    );
    let verified = call(
        &jwt_at(0),
        "io.jwt.verify_hs256",
        &[json!(made), json!("a secret of thirty-two bytes.....")],
    );
    assert_eq!(verified, "true");
    for (header, key, expected) in [
        (
            json!({}),
            &secret,
            "error: the header names no algorithm that signs",
        ),
        (
            json!({"alg": "none"}),
            &secret,
            "error: the header names no algorithm that signs",
        ),
        (
            json!({"alg": "HS256"}),
            &json!({"keys": []}),
            "error: the key set is empty",
        ),
        (
            json!({"alg": "HS256"}),
            &json!({}),
            "error: the key is not usable: `kty` is missing",
        ),
        (
            json!({"alg": "HS256"}),
            &json!(1),
            "error: the key is not an object",
        ),
    ] {
        assert_eq!(encode(header, json!({}), key.clone()), expected);
    }
    let raw = |header: &str, payload: &str| {
        let answer = call(
            &jwt_at(0),
            "io.jwt.encode_sign_raw",
            &[json!(header), json!(payload), json!(secret.to_string())],
        );
        answer.starts_with("\"e") || answer.starts_with("\"I")
    };
    assert!(raw(r#"{"alg":"HS256","typ":"x"}"#, "no JSON"));
    assert!(raw(r#" {"alg":"HS256"}"#, " {} "));
    assert!(!raw(r#"{"alg":"HS256","typ":"JWT"}"#, "no JSON"));
    assert!(!raw(r#"{"alg":"HS256"}"#, "no JSON"));
}
