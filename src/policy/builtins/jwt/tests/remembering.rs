//! What is kept from one call to the next, and what never is.

use super::*;

fn remembered(jwt: &Jwt) -> (u64, u64) {
    jwt.good.run_pending_tasks();
    jwt.keys.run_pending_tasks();
    (jwt.good.entry_count(), jwt.keys.entry_count())
}

fn verify(jwt: &Jwt, token: &str, key: &str) -> String {
    call(jwt, "io.jwt.verify_rs256", &[json!(token), json!(key)])
}

#[test]
fn good_signatures_and_parsed_keys_are_kept_and_bad_ones_are_not() {
    let jwt = jwt_at(0);
    let (token, key) = (rs256("{}"), pem("rsa"));
    let other = public("other_rsa", &json!({})).to_string();
    assert_eq!(verify(&jwt, &token, &other), "false");
    assert_eq!(remembered(&jwt), (0, 1));
    assert!(verify(&jwt, &token, "no key").starts_with("error"));
    assert!(verify(&jwt, "no token", &key).starts_with("error"));
    assert_eq!(remembered(&jwt), (0, 2));
    assert_eq!(verify(&jwt, &token, &key), "true");
    assert_eq!(verify(&jwt, &token, &key), "true");
    assert_eq!(remembered(&jwt), (1, 2));
}

#[test]
fn a_remembered_signature_is_one_of_that_token_key_and_function_alone() {
    let jwt = jwt_at(0);
    let token = signed(r#"{"alg":"none"}"#, CLAIMS, "rsa", Algorithm::Rs256);
    let key = pem("rsa");
    assert_eq!(verify(&jwt, &token, &key), "true");
    assert_eq!(verify(&jwt, &token, &key), "true");
    let other = public("other_rsa", &json!({})).to_string();
    assert_eq!(verify(&jwt, &token, &other), "false");
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = input.split_once('.').unwrap();
    let moved = format!("{header}.{}.{signature}", base64url(b"{}"));
    assert_eq!(verify(&jwt, &moved, &key), "false");
    let rs512 = call(&jwt, "io.jwt.verify_rs512", &[json!(token), json!(key)]);
    assert_eq!(rs512, "false");
    let constraints = json!({"cert": key, "aud": "a", "time": 1_500_000_000_000_u64});
    let constrained = call(&jwt, "io.jwt.decode_verify", &[json!(token), constraints]);
    assert_eq!(constrained, REFUSED);
    assert_eq!(remembered(&jwt), (1, 2));
}

#[test]
fn nothing_holds_longer_because_its_signature_is_remembered() {
    let jwt = jwt_at(0);
    let token = rs256(CLAIMS);
    let at = |time: u64, audience: &str| {
        let constraints = json!({"cert": pem("rsa"), "aud": audience, "time": time});
        call(&jwt, "io.jwt.decode_verify", &[json!(token), constraints]) != REFUSED
    };
    assert!(at(1_999_999_999_999, "a"));
    assert_eq!(remembered(&jwt), (1, 1));
    assert!(!at(2_000_000_000_000, "a"));
    assert!(!at(999_999_999_999, "a"));
    assert!(!at(1_999_999_999_999, "c"));
    assert!(at(1_999_999_999_999, "a"));
    assert_eq!(remembered(&jwt), (1, 1));
}
