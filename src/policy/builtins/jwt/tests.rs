//! What each function answers. `tests/differential/tokens.rs` asks the reference the same and more.

mod hostile;
mod keys;
mod remembering;
mod signing;

use serde_json::json;

use super::*;
use crate::clock::Now;
use crate::identity::jose::{JsonObject, SigningKey};

const KEYS: &str = include_str!("../../../../tests/fixtures/jose/keys.json");
const CLAIMS: &str = r#"{"iss":"i","aud":["a","b"],"exp":2000,"nbf":1000,"sub":"s"}"#;

fn jwt_at(seconds: u64) -> Jwt {
    Jwt::new(Clock::Fixed(Now {
        unix: std::time::Duration::from_secs(seconds),
        instant: Clock::System.instant(),
    }))
}

fn private(name: &str) -> JsonObject {
    let keys: JsonObject = serde_json::from_str(KEYS).unwrap();
    keys[name].as_object().unwrap().clone()
}

/// The public key as a JWK, with `extra` members.
fn public(name: &str, extra: &serde_json::Value) -> serde_json::Value {
    let mut key = private(name);
    key.retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
    key.extend(extra.as_object().unwrap().clone());
    key.into()
}

fn set(keys: &[serde_json::Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn pem(name: &str) -> String {
    private("pem")[name].as_str().unwrap().to_owned()
}

fn signed(header: &str, payload: &str, key: &str, algorithm: Algorithm) -> String {
    let mut token = format!(
        "{}.{}",
        base64url(header.as_bytes()),
        base64url(payload.as_bytes())
    );
    let key = SigningKey::from_jwk(&private(key)).unwrap();
    let signature = key.sign(algorithm, token.as_bytes()).unwrap();
    token.push('.');
    token.push_str(&base64url(&signature));
    token
}

fn rs256(payload: &str) -> String {
    signed(r#"{"alg":"RS256"}"#, payload, "rsa", Algorithm::Rs256)
}

/// The answer as JSON, or the error's text.
fn call(jwt: &Jwt, name: &str, arguments: &[serde_json::Value]) -> String {
    let arguments: Vec<Value> = arguments.iter().cloned().map(Value::from).collect();
    let (_, _, function) = FUNCTIONS.iter().find(|(known, ..)| *known == name).unwrap();
    match jwt.call(*function, &arguments) {
        Ok(value) => value.to_string(),
        Err(error) => format!("error: {error}"),
    }
}

const REFUSED: &str = "[false,{},{}]";

#[test]
#[expect(clippy::too_many_lines, reason = "one row for each case")]
fn decode_gives_header_payload_and_signature_in_hexadecimal() {
    let token = |header: &str, payload: &str| {
        format!(
            "{}.{}.-_8",
            base64url(header.as_bytes()),
            base64url(payload.as_bytes())
        )
    };
    let rsa = rs256(CLAIMS);
    let nested = |cty: &str, quote: &str| {
        let inner = token(r#"{"a":1}"#, r#"{"b":2}"#);
        token(
            &format!(r#"{{"cty":"{cty}"}}"#),
            &format!("{quote}{inner}{quote}"),
        )
    };
    for (token, expected) in [
        (
            token(r#"{"alg":"x"}"#, r#"{"n":12345678901234567890,"n":1.5}"#),
            r#"[{"alg":"x"},{"n":1.5},"fbff"]"#,
        ),
        (
            token("{}", r#"{"n":12345678901234567890}"#),
            r#"[{},{"n":12345678901234567890},"fbff"]"#,
        ),
        ("e30.e30.".to_owned(), r#"[{},{},""]"#),
        (nested("JWT", ""), r#"[{"a":1},{"b":2},"fbff"]"#),
        (nested("JWT", "\""), r#"[{"a":1},{"b":2},"fbff"]"#),
        (
            nested("jwt", ""),
            "error: the payload is not JSON: unexpected byte at byte 0",
        ),
        (
            token(r#"{"cty":1}"#, "{}"),
            "error: `cty` of the header is not a string",
        ),
        (
            token(r#"{"enc":"A"}"#, "{}"),
            "error: the token is encrypted, which is not supported",
        ),
        (token("{}", "[]"), "error: the payload is not an object"),
        (
            token("{}", ""),
            "error: the payload is not JSON: unexpected end at byte 0",
        ),
        (
            token("[]", "{}"),
            "error: the token is not valid: the header is not valid",
        ),
        (
            token(r#"{"a":1,"a":1}"#, "{}"),
            "error: the token is not valid: the header is not valid",
        ),
        (
            "e30.e30".to_owned(),
            "error: the token is not valid: not three parts joined by dots",
        ),
        (
            "a.b.c.d.e".to_owned(),
            "error: the token is not valid: not three parts joined by dots",
        ),
        (
            String::new(),
            "error: the token is not valid: not three parts joined by dots",
        ),
        (
            "e30=.e30.".to_owned(),
            "error: the token is not valid: the header is not base64url in its canonical form, without padding",
        ),
        (
            "e30.e31.".to_owned(),
            "error: the token is not valid: the payload is not base64url in its canonical form, without padding",
        ),
        (
            "e30.e30.+w".to_owned(),
            "error: the token is not valid: the signature is not base64url in its canonical form, without padding",
        ),
        (
            format!("{rsa} "),
            "error: the token is not valid: the signature is not base64url in its canonical form, without padding",
        ),
    ] {
        assert_eq!(
            call(&jwt_at(0), "io.jwt.decode", &[json!(token)]),
            expected,
            "{token}"
        );
    }
    assert_eq!(
        call(&jwt_at(0), "io.jwt.decode", &[json!(1)]),
        "error: the token is not a string"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row for each case")]
fn decode_verify_holds_every_constraint() {
    let token = rs256(CLAIMS);
    let good = format!(
        r#"[true,{{"alg":"RS256"}},{}]"#,
        Value::from_json_str(CLAIMS).unwrap()
    );
    let cert = set(&[public("rsa", &json!({}))]);
    let constraints = |change: serde_json::Value| {
        let mut constraints = json!({"cert": cert, "aud": "a", "time": 1_500_000_000_000_u64});
        for (name, value) in change.as_object().unwrap() {
            constraints[name] = value.clone();
        }
        constraints
    };
    for (change, expected) in [
        (json!({}), good.as_str()),
        (json!({"aud": "b"}), &good),
        (json!({"aud": "c"}), REFUSED),
        (json!({"aud": ""}), REFUSED),
        (
            json!({"aud": 1}),
            "error: the constraint `aud` is not a string",
        ),
        (json!({"iss": "i"}), &good),
        (json!({"iss": ""}), &good),
        (json!({"iss": "i/"}), REFUSED),
        (json!({"alg": "RS256"}), &good),
        (json!({"alg": "RS384"}), REFUSED),
        (json!({"alg": "rs256"}), REFUSED),
        (json!({"time": 1_000_000_000_000_u64}), &good),
        (json!({"time": 999_999_999_999_u64}), REFUSED),
        (json!({"time": 1_999_999_999_999_u64}), &good),
        (json!({"time": 2_000_000_000_000_u64}), REFUSED),
        (
            json!({"time": -1}),
            "error: the constraint `time` is not a number of nanoseconds",
        ),
        (
            json!({"time": "1"}),
            "error: the constraint `time` is not a number of nanoseconds",
        ),
        (
            json!({"leeway": 1}),
            "error: the constraint `leeway` is unknown",
        ),
        (
            json!({"secret": "x"}),
            "error: there are both `cert` and `secret`",
        ),
        (json!({"cert": pem("rsa")}), &good),
        (json!({"cert": pem("certificate")}), &good),
        (json!({"cert": pem("p256")}), REFUSED),
        (
            json!({"cert": public("rsa", &json!({})).to_string()}),
            &good,
        ),
        (
            json!({"cert": public("other_rsa", &json!({})).to_string()}),
            REFUSED,
        ),
        (json!({"cert": r#"{"keys":[]}"#}), REFUSED),
        (
            json!({"cert": r#"{"keys":1}"#}),
            "error: `keys` is not a list",
        ),
        (
            json!({"cert": "x"}),
            "error: the key is neither PEM nor JSON: not a JSON object with unique names",
        ),
    ] {
        let answer = call(
            &jwt_at(0),
            "io.jwt.decode_verify",
            &[json!(token), constraints(change.clone())],
        );
        assert_eq!(answer, expected, "{change}");
    }
    let keyless = call(
        &jwt_at(0),
        "io.jwt.decode_verify",
        &[json!(token), json!({"secret": ""})],
    );
    assert_eq!(keyless, "error: there is neither `cert` nor `secret`");
}

#[test]
fn without_a_time_it_is_now() {
    let token = rs256(CLAIMS);
    let constraints = json!({"cert": pem("rsa"), "aud": "a"});
    for (now, holds) in [(999, false), (1000, true), (1999, true), (2000, false)] {
        let answer = call(
            &jwt_at(now),
            "io.jwt.decode_verify",
            &[json!(token), constraints.clone()],
        );
        assert_eq!(answer != REFUSED, holds, "{now}: {answer}");
    }
}

#[test]
fn claims_of_the_wrong_type_never_hold() {
    let number = |name: &str| format!("error: `{name}` is not a number");
    for (payload, expected) in [
        (r#"{"exp":"9"}"#, number("exp")),
        (r#"{"exp":null}"#, number("exp")),
        (r#"{"exp":[9]}"#, number("exp")),
        (r#"{"exp":true}"#, number("exp")),
        (r#"{"exp":-1}"#, REFUSED.to_owned()),
        (r#"{"exp":1.0}"#, REFUSED.to_owned()),
        (
            r#"{"exp":1e2000}"#,
            "error: the payload is not JSON: number out of range at byte 13".to_owned(),
        ),
        (
            r#"{"exp":1.5}"#,
            r#"[true,{"alg":"RS256"},{"exp":1.5}]"#.to_owned(),
        ),
        (
            r#"{"exp":1e300}"#,
            r#"[true,{"alg":"RS256"},{"exp":1e+300}]"#.to_owned(),
        ),
        (r#"{"nbf":"0"}"#, number("nbf")),
        (r#"{"nbf":null}"#, number("nbf")),
        (r#"{"nbf":1.5}"#, REFUSED.to_owned()),
        (
            r#"{"nbf":1}"#,
            r#"[true,{"alg":"RS256"},{"nbf":1}]"#.to_owned(),
        ),
        // Whose audience is told even where none is asked for.
        (r#"{"aud":"a"}"#, REFUSED.to_owned()),
        (r#"{"aud":[]}"#, REFUSED.to_owned()),
        (r#"{"aud":null}"#, REFUSED.to_owned()),
        (r#"{"aud":1}"#, REFUSED.to_owned()),
        (
            r#"{"aud":""}"#,
            r#"[true,{"alg":"RS256"},{"aud":""}]"#.to_owned(),
        ),
    ] {
        let constraints = json!({"cert": pem("rsa"), "time": 1_000_000_000});
        let answer = call(
            &jwt_at(0),
            "io.jwt.decode_verify",
            &[json!(rs256(payload)), constraints],
        );
        assert_eq!(answer, expected, "{payload}");
    }
    for (payload, expected) in [
        (r#"{"iss":"i"}"#, r#"[true,{"alg":"RS256"},{"iss":"i"}]"#),
        (r#"{"iss":1}"#, REFUSED),
        (r#"{"iss":null}"#, REFUSED),
        (r#"{"iss":["i"]}"#, REFUSED),
        ("{}", REFUSED),
    ] {
        let constraints = json!({"cert": pem("rsa"), "time": 0, "iss": "i"});
        let answer = call(
            &jwt_at(0),
            "io.jwt.decode_verify",
            &[json!(rs256(payload)), constraints],
        );
        assert_eq!(answer, expected, "{payload}");
    }
}

#[test]
fn a_header_is_understood_or_the_token_refused() {
    for (header, expected) in [
        (r#"{"alg":"RS256"}"#, "true"),
        (r#"{"alg":"RS256","crit":["alg"]}"#, "true"),
        (r#"{"alg":"RS256","crit":["x"],"x":1}"#, "false"),
        (r#"{"alg":"RS256","crit":["exp"]}"#, "false"),
        (r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, "false"),
        (r#"{"alg":"RS256","crit":[]}"#, "error"),
        (r#"{"alg":"RS256","crit":["x",1]}"#, "error"),
        (r#"{"alg":"RS256","crit":"x"}"#, "error"),
        ("{}", "false"),
        (r#"{"alg":""}"#, "false"),
        (r#"{"alg":"none"}"#, "false"),
        (r#"{"alg":"rs256"}"#, "false"),
        (r#"{"alg":"RS512"}"#, "false"),
        (r#"{"alg":1}"#, "error"),
        (r#"{"alg":"RS256","kid":1}"#, "error"),
        (r#"{"alg":"RS256","typ":1}"#, "error"),
        (r#"{"alg":"RS256","cty":1}"#, "error"),
    ] {
        let token = signed(header, "{}", "rsa", Algorithm::Rs256);
        let constraints = json!({"cert": pem("rsa"), "time": 0});
        let answer = call(
            &jwt_at(0),
            "io.jwt.decode_verify",
            &[json!(token), constraints],
        );
        assert!(
            answer.trim_start_matches('[').starts_with(expected),
            "{header}: {answer}"
        );
    }
    // Its own algorithm is all that a `verify_*` asks of a key without one.
    let token = signed(r#"{"alg":"none"}"#, "{}", "rsa", Algorithm::Rs256);
    assert_eq!(
        call(
            &jwt_at(0),
            "io.jwt.verify_rs256",
            &[json!(token), json!(pem("rsa"))]
        ),
        "true"
    );
    assert_eq!(
        call(
            &jwt_at(0),
            "io.jwt.verify_rs512",
            &[json!(token), json!(pem("rsa"))]
        ),
        "false"
    );
}
