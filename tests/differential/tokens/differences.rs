//! What we answer differently from OPA, with both answers.

use serde_json::{Value, json};

use super::{Keys, VERIFIED, case, claims, set, unsigned};
use crate::difference::Difference;

#[expect(clippy::too_many_lines, reason = "one row for each case")]
pub(crate) fn differences() -> Vec<Difference> {
    let keys = Keys::read();
    let row = |rules: &str, input: Value, ours, theirs| Difference {
        case: case(rules, &[input]),
        ours,
        theirs,
    };
    let decode = "decision := io.jwt.decode(input.token)[1]";
    let verify = "decision := io.jwt.verify_rs256(input.token, input.cert)";
    let good = keys.token(&json!({"alg": "RS256"}), &claims(), "rsa");
    let rsa = keys.public("rsa", &json!({}));
    let beside = |jwk: Value| json!({"token": good, "cert": set(&[jwk, rsa.clone()])});
    let critical = keys.token(&json!({"alg": "RS256", "crit": ["exp"]}), &claims(), "rsa");
    let later = keys.signed(
        &json!({"alg": "RS256"}),
        br#"{"aud":"orders","exp":1e1100}"#,
        "rsa",
        "RS256",
    );
    let wide = keys.token(
        &json!({"alg": "RS256", "x": "y".repeat(65_536)}),
        &json!({}),
        "rsa",
    );
    vec![
        // Strict base64url, in one canonical form.
        row(
            decode,
            json!({"token": "e30=.e30=.c2ln"}),
            "undefined",
            "{}",
        ),
        row(decode, json!({"token": "e30.e31.c2ln"}), "undefined", "{}"),
        row(
            decode,
            json!({"token": "e3\n0=.e30.c2ln"}),
            "undefined",
            "{}",
        ),
        // A header that says two things.
        row(
            decode,
            json!({"token": unsigned(r#"{"alg":"none","alg":"RS256"}"#, "{}")}),
            "undefined",
            "{}",
        ),
        // Bounds.
        row(decode, json!({"token": wide}), "undefined", "{}"),
        row(
            VERIFIED,
            json!({"token": later, "cert": rsa.to_string()}),
            "undefined",
            "true",
        ),
        // What must be understood and is not.
        row(
            VERIFIED,
            json!({"token": critical, "cert": rsa.to_string()}),
            "false",
            "true",
        ),
        // Keys of a set are left out one by one.
        row(verify, beside(json!({"kty": "XX"})), "true", "undefined"),
        row(verify, beside(json!({})), "true", "undefined"),
        row(verify, beside(json!(1)), "true", "undefined"),
        row(
            verify,
            beside(keys.public("rsa", &json!({"alg": "bogus"}))),
            "true",
            "undefined",
        ),
        row(
            verify,
            beside(keys.public("rsa", &json!({"alg": ""}))),
            "true",
            "undefined",
        ),
        row(
            verify,
            beside(json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"})),
            "true",
            "undefined",
        ),
        // White space around PEM.
        row(
            verify,
            json!({"token": good, "cert": format!("{}\n", keys.pem("rsa"))}),
            "true",
            "undefined",
        ),
        row(
            verify,
            json!({"token": good, "cert": format!("junk\n{}", keys.pem("rsa"))}),
            "undefined",
            "true",
        ),
        // What is signed is no token.
        row(
            "decision := io.jwt.verify_hs256(input.token, \"x\")",
            json!({"token": "a.b.YQ"}),
            "undefined",
            "false",
        ),
    ]
}
