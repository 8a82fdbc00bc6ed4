//! Tokens taken apart, and claims held against constraints.

use serde_json::{Value, json};

use super::{CLAIMS, DECODE_VERIFY, Keys, case, claims, encoded, set, unsigned};
use crate::generate::Case;

pub(crate) fn decoded() -> Case {
    let tokens = [
        unsigned("{}", "{}"),
        unsigned(r#"{"alg":"RS256"}"#, CLAIMS),
        unsigned(
            "{}",
            r#"{"a":[1,1.5,12345678901234567890,"é",null,true,{"b":{}}]}"#,
        ),
        unsigned("{}", r#"{"a":1,"a":2}"#),
        unsigned("{}", "[]"),
        unsigned("{}", "\"x\""),
        unsigned("{}", ""),
        unsigned("{}", "{}x"),
        unsigned("{}", " {} "),
        unsigned("{}", "\u{feff}{}"),
        unsigned("[]", "{}"),
        unsigned("", "{}"),
        unsigned(r#"{"enc":"A128GCM"}"#, "{}"),
        unsigned(r#"{"cty":"jwt"}"#, "{}"),
        unsigned(r#"{"alg":1,"kid":2,"crit":3}"#, "{}"),
        format!(
            "e30.{}.",
            encoded(&[b'{', b'"', 0xff, b'"', b':', b'1', b'}'])
        ),
        "e30.e30.".to_owned(),
        "e30.e30".to_owned(),
        "e30.e30.e30.e30".to_owned(),
        "e30.e30.e30.e30.e30".to_owned(),
        "..".to_owned(),
        ".".to_owned(),
        String::new(),
        "a.b.c".to_owned(),
        "e30.e30.c2l+".to_owned(),
        "e30.e30.c2ln.".to_owned(),
        " e30.e30.c2ln".to_owned(),
        "e30.e30.c2 n".to_owned(),
    ];
    let mut inputs: Vec<Value> = tokens.iter().map(|token| json!({"token": token})).collect();
    inputs.extend([json!({}), json!({"token": 1}), json!({"token": ["a"]})]);
    case("decision := io.jwt.decode(input.token)", &inputs)
}

pub(crate) fn nested(keys: &Keys) -> Case {
    let good = keys.token(&json!({"alg": "RS256"}), &claims(), "rsa");
    let bad = keys.token(&json!({"alg": "RS256"}), &claims(), "other_rsa");
    let mut inputs = Vec::new();
    for cty in ["JWT", "jwt", "json"] {
        for inner in [
            &good,
            &bad,
            &format!("\"{good}\""),
            &format!("'{good}'"),
            "{}",
        ] {
            let header = json!({"alg": "RS256", "cty": cty});
            let token = keys.signed(&header, inner.as_bytes(), "rsa", "RS256");
            inputs.push(json!({
                "token": token,
                "constraints": {"cert": set(&[keys.public("rsa", &json!({}))]), "aud": "orders", "time": 1e12},
            }));
        }
    }
    let rules = "decision := {\"decoded\": decoded, \"verified\": verified}\n\
         decoded := io.jwt.decode(input.token)[1]\n\
         default verified := \"undefined\"\n\
         verified := io.jwt.decode_verify(input.token, input.constraints)\n\
         default decoded := \"undefined\"";
    case(rules, &inputs)
}

#[expect(clippy::too_many_lines, reason = "one row for each case")]
pub(crate) fn constrained(keys: &Keys) -> Case {
    let token = keys.token(&json!({"alg": "RS256", "kid": "k1"}), &claims(), "rsa");
    let cert = set(&[keys.public("rsa", &json!({}))]);
    let mut inputs = Vec::new();
    for change in [
        json!({}),
        json!({"x": 1}),
        json!({"cert": null}),
        json!({"secret": "x"}),
        json!({"secret": ""}),
        json!({"aud": 1}),
        json!({"aud": ["orders"]}),
        json!({"aud": ""}),
        json!({"aud": "other"}),
        json!({"iss": 1}),
        json!({"iss": ""}),
        json!({"iss": "https://issuer.example"}),
        json!({"iss": "https://issuer.example/"}),
        json!({"time": "1"}),
        json!({"time": -1}),
        json!({"time": 0}),
        json!({"time": 9_999_999_999_u64}),
        json!({"time": 10_000_000_000_u64}),
        json!({"time": 1_999_999_999_999_u64}),
        json!({"time": 2_000_000_000_000_u64}),
        json!({"time": 1.5e12}),
        json!({"alg": "RS256"}),
        json!({"alg": "RS512"}),
        json!({"alg": "rs256"}),
        json!({"alg": ""}),
        json!({"alg": 1}),
        json!({"cert": keys.pem("rsa")}),
        json!({"cert": keys.pem("rsa").trim()}),
        json!({"cert": format!("{}x", keys.pem("rsa"))}),
        json!({"cert": keys.pem("rsa").repeat(2)}),
        json!({"cert": keys.pem("certificate")}),
        json!({"cert": keys.pem("pkcs1")}),
        json!({"cert": keys.pem("p256")}),
        json!({"cert": "junk"}),
        json!({"cert": ""}),
        json!({"cert": "{}"}),
        json!({"cert": "[]"}),
        json!({"cert": r#"{"keys":[]}"#}),
        json!({"cert": r#"{"keys":{}}"#}),
        json!({"cert": format!(" {cert} ")}),
        json!({"cert": format!("{cert}x")}),
        json!({"cert": keys.public("rsa", &json!({})).to_string()}),
        json!({"cert": keys.public("other_rsa", &json!({})).to_string()}),
    ] {
        let mut constraints = json!({"cert": cert, "aud": "orders", "time": 1e12});
        for (name, value) in change.as_object().expect("an object") {
            constraints[name] = value.clone();
        }
        inputs.push(json!({"token": token, "constraints": constraints}));
    }
    for constraints in [
        json!({}),
        json!({"aud": "orders", "time": 0}),
        json!({"secret": "", "time": 0}),
        json!(1),
        json!([]),
    ] {
        inputs.push(json!({"token": token, "constraints": constraints}));
    }
    // It is later than these by the clock of either.
    inputs.push(json!({"token": token, "constraints": {"cert": cert, "aud": "orders"}}));
    case(DECODE_VERIFY, &inputs)
}

#[expect(clippy::too_many_lines, reason = "one row for each case")]
pub(crate) fn claimed(keys: &Keys) -> Case {
    let payloads = [
        r#"{"exp":"9"}"#,
        r#"{"exp":null}"#,
        r#"{"exp":1.5}"#,
        r#"{"exp":-1}"#,
        r#"{"exp":0}"#,
        r#"{"exp":true}"#,
        r#"{"exp":[9]}"#,
        r#"{"exp":{}}"#,
        r#"{"exp":1e300}"#,
        r#"{"exp":1}"#,
        r#"{"exp":2}"#,
        r#"{"exp":1.0000000001}"#,
        r#"{"exp":1000000000000000000000000000000}"#,
        r#"{"exp":0,"exp":5}"#,
        r#"{"exp":5,"exp":0}"#,
        r#"{"nbf":"9"}"#,
        r#"{"nbf":null}"#,
        r#"{"nbf":1.5}"#,
        r#"{"nbf":-1}"#,
        r#"{"nbf":0}"#,
        r#"{"nbf":1}"#,
        r#"{"nbf":1e300}"#,
        r#"{"nbf":[0]}"#,
        r#"{"iat":"x"}"#,
        r#"{"iat":9e9}"#,
        r#"{"aud":"a"}"#,
        r#"{"aud":["a"]}"#,
        r#"{"aud":["b","a"]}"#,
        r#"{"aud":[]}"#,
        r#"{"aud":""}"#,
        r#"{"aud":null}"#,
        r#"{"aud":1}"#,
        r#"{"aud":[1,"a"]}"#,
        r#"{"aud":{"a":1}}"#,
        r#"{"iss":"i"}"#,
        r#"{"iss":"i/"}"#,
        r#"{"iss":""}"#,
        "{}",
        "[]",
        "\"x\"",
        "",
        "{}x",
        " {} ",
        r#"{"sub":"\ud800"}"#,
    ];
    let cert = set(&[keys.public("rsa", &json!({}))]);
    let mut inputs = Vec::new();
    for payload in payloads {
        let token = keys.signed(&json!({"alg": "RS256"}), payload.as_bytes(), "rsa", "RS256");
        for extra in [json!({}), json!({"aud": "a"}), json!({"iss": "i"})] {
            let mut constraints = json!({"cert": cert, "time": 1_000_000_000});
            for (name, value) in extra.as_object().expect("an object") {
                constraints[name] = value.clone();
            }
            inputs.push(json!({"token": token, "constraints": constraints}));
        }
    }
    for (payload, time) in [
        (
            r#"{"exp":1700000000}"#,
            json!(1_699_999_999_999_999_999_u64),
        ),
        (
            r#"{"exp":1700000000}"#,
            json!(1_699_999_999_999_999_000_u64),
        ),
        (
            r#"{"nbf":1700000000}"#,
            json!(1_699_999_999_999_999_999_u64),
        ),
        (
            r#"{"nbf":1700000000}"#,
            json!(1_699_999_999_999_999_000_u64),
        ),
        (r#"{"nbf":1}"#, json!(999_999_999.9)),
    ] {
        let token = keys.signed(&json!({"alg": "RS256"}), payload.as_bytes(), "rsa", "RS256");
        inputs.push(json!({"token": token, "constraints": {"cert": cert, "time": time}}));
    }
    case(DECODE_VERIFY, &inputs)
}
