//! `io.jwt.*` beside OPA's: the tokens, keys and constraints that decide differently, asked of both,
//! and the policies that people publish.
//!
//! Where we differ on purpose, both answers are written down.

use portcullis::identity::jose::{Algorithm, JsonObject, SigningKey};
use serde_json::{Value, json};

use crate::generate::Case;

/// Keys that exist for these tests alone.
const KEYS: &str = include_str!("../fixtures/jose/keys.json");

pub(crate) struct Keys(Value);

impl Keys {
    pub(crate) fn read() -> Self {
        Self(serde_json::from_str(KEYS).expect("JSON"))
    }

    fn private(&self, name: &str) -> JsonObject {
        self.0[name].as_object().expect("a key").clone()
    }

    fn public(&self, name: &str, extra: &Value) -> Value {
        let mut jwk = self.private(name);
        jwk.retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
        jwk.extend(extra.as_object().expect("members").clone());
        Value::Object(jwk)
    }

    fn pem(&self, name: &str) -> &str {
        self.0["pem"][name].as_str().expect("PEM")
    }

    /// A token of `header`, signed as it says.
    fn token(&self, header: &Value, payload: &Value, key: &str) -> String {
        let algorithm = header["alg"].as_str().expect("an algorithm");
        self.signed(header, payload.to_string().as_bytes(), key, algorithm)
    }

    fn signed(&self, header: &Value, payload: &[u8], key: &str, algorithm: &str) -> String {
        let input = format!(
            "{}.{}",
            encoded(header.to_string().as_bytes()),
            encoded(payload)
        );
        let key = SigningKey::from_jwk(&self.private(key)).expect("a signing key");
        let algorithm = Algorithm::parse(algorithm).expect("an algorithm");
        let signature = key.sign(algorithm, input.as_bytes()).expect("a signature");
        format!("{input}.{}", encoded(&signature))
    }
}

fn encoded(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whatever they hold.
fn unsigned(header: &str, payload: &str) -> String {
    let (header, payload) = (encoded(header.as_bytes()), encoded(payload.as_bytes()));
    format!("{header}.{payload}.c2ln")
}

fn case(rules: &str, inputs: Vec<Value>) -> Case {
    Case {
        policy: format!("package t\n\n{rules}\n"),
        data: "{}".to_owned(),
        inputs: inputs.iter().map(Value::to_string).collect(),
    }
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

const CLAIMS: &str = r#"{"iss":"https://issuer.example","aud":"orders","exp":2000,"nbf":10,"sub":"alice","tier":"premium"}"#;

fn claims() -> Value {
    serde_json::from_str(CLAIMS).expect("JSON")
}

const ALGORITHMS: &[(&str, &str)] = &[
    ("RS256", "rsa"),
    ("RS384", "rsa"),
    ("RS512", "rsa"),
    ("PS256", "rsa"),
    ("PS384", "rsa"),
    ("PS512", "rsa"),
    ("ES256", "p256"),
    ("ES384", "p384"),
    ("ES512", "p521"),
    ("EdDSA", "ed25519"),
];

/// Whatever is asked here, OPA answers as we do.
pub(crate) fn same() -> Vec<Case> {
    let keys = Keys::read();
    let mut cases = vec![
        decoded(),
        nested(&keys),
        constrained(&keys),
        claimed(&keys),
        headed(&keys),
        secret(&keys),
    ];
    cases.extend(chosen(&keys));
    cases.extend(verified(&keys));
    cases.extend(signed(&keys));
    cases.extend(published(&keys));
    cases
}

fn decoded() -> Case {
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
    case("decision := io.jwt.decode(input.token)", inputs)
}

fn nested(keys: &Keys) -> Case {
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
    // A default cannot stand beside a complete definition that may be undefined on the same line.
    case(rules, inputs)
}

fn constrained(keys: &Keys) -> Case {
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
    case(DECODE_VERIFY, inputs)
}

fn claimed(keys: &Keys) -> Case {
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
    case(DECODE_VERIFY, inputs)
}

/// Which key of a set it is.
fn chosen(keys: &Keys) -> [Case; 2] {
    let key = |extra: Value| keys.public("rsa", &extra);
    let other = |extra: Value| keys.public("other_rsa", &extra);
    let sets = [
        set(&[key(json!({}))]),
        set(&[other(json!({})), key(json!({}))]),
        set(&[key(json!({"kid": "k1"})), other(json!({"kid": "k1"}))]),
        set(&[other(json!({"kid": "k1"})), key(json!({"kid": "k1"}))]),
        set(&[other(json!({"kid": "k1"})), key(json!({}))]),
        set(&[other(json!({"kid": "k1"})), key(json!({"kid": "k2"}))]),
        set(&[key(json!({"kid": "k2"}))]),
        set(&[key(json!({"alg": "RS256"}))]),
        set(&[key(json!({"alg": "RS512"}))]),
        set(&[key(json!({"alg": "RS512", "kid": "k1"}))]),
        set(&[key(json!({"alg": "RS512", "kid": "k1"})), key(json!({}))]),
        set(&[
            key(json!({"alg": "RS512", "kid": "k1"})),
            key(json!({"kid": "k2"})),
        ]),
        set(&[
            other(json!({"alg": "RS512", "kid": "k1"})),
            key(json!({"kid": "k1"})),
        ]),
        set(&[key(json!({"alg": "PS256"}))]),
        set(&[key(json!({"use": "enc"}))]),
        set(&[key(json!({"key_ops": ["encrypt"]}))]),
        set(&[keys.public("p256", &json!({"kid": "k1"})), key(json!({}))]),
        set(&[
            keys.public("p256", &json!({})),
            keys.public("ed25519", &json!({})),
            key(json!({})),
        ]),
        set(&[keys.public("secret", &json!({})), key(json!({}))]),
    ];
    let mut inputs = Vec::new();
    for keys_text in sets {
        for header in [
            json!({"alg": "RS256", "kid": "k1"}),
            json!({"alg": "RS256", "kid": "k9"}),
            json!({"alg": "RS256"}),
            json!({"alg": "RS256", "kid": ""}),
            json!({"alg": "RS512", "kid": "k1"}),
        ] {
            let algorithm = header["alg"].as_str().expect("a name");
            let token = keys.signed(&header, CLAIMS.as_bytes(), "rsa", algorithm);
            inputs.push(json!({"token": token, "cert": keys_text}));
        }
    }
    let verify = case(
        "decision := io.jwt.verify_rs256(input.token, input.cert)",
        inputs.clone(),
    );
    // Of two calls with one token and one text of keys in a query, OPA answers the second from what
    // the first one found, whatever they ask: white space makes it another text.
    for input in &mut inputs {
        input["cert"] = json!(format!("{} ", input["cert"].as_str().expect("a set")));
    }
    [verify, case(VERIFIED, inputs)]
}

/// What the header says, and what the signature is.
fn headed(keys: &Keys) -> Case {
    let mut inputs = Vec::new();
    for header in [
        json!({}),
        json!({"alg": ""}),
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": "rs256"}),
        json!({"alg": "RS512"}),
        json!({"alg": "PS256"}),
        json!({"alg": "HS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": "bogus"}),
        json!({"alg": 1}),
        json!({"alg": null}),
        json!({"alg": "RS256", "kid": 1}),
        json!({"alg": "RS256", "typ": 1}),
        json!({"alg": "RS256", "typ": "at+jwt"}),
        json!({"alg": "RS256", "cty": 1}),
        json!({"alg": "RS256", "cty": "x"}),
        json!({"alg": "RS256", "jku": "https://evil.example", "jwk": {}, "x5u": 1, "x5c": []}),
        json!({"alg": "RS256", "crit": []}),
        json!({"alg": "RS256", "crit": 1}),
        json!({"alg": "RS256", "crit": [1]}),
        json!({"alg": "RS256", "crit": ["alg"]}),
        json!({"alg": "RS256", "crit": ["kid", "crit"]}),
        json!({"alg": "RS256", "crit": ["x"], "x": 1}),
        json!({"alg": "RS256", "crit": ["b64"], "b64": false}),
        json!({"alg": "RS256", "enc": "x"}),
    ] {
        let token = keys.signed(&header, CLAIMS.as_bytes(), "rsa", "RS256");
        for cert in [
            set(&[keys.public("rsa", &json!({}))]),
            set(&[keys.public("rsa", &json!({"alg": "RS256"}))]),
            keys.pem("rsa").to_owned(),
        ] {
            inputs.push(json!({"token": token, "cert": cert}));
        }
    }
    let rules = "default verified := \"undefined\"\n\
         verified := io.jwt.verify_rs256(input.token, input.cert)\n\
         default constrained := \"undefined\"\n\
         constrained := io.jwt.decode_verify(input.token, {\"cert\": input.cert, \"aud\": \"orders\", \"time\": 1000000000000})\n\
         decision := [verified, constrained]";
    case(rules, inputs)
}

fn secret(keys: &Keys) -> Case {
    let text = "a secret of thirty-two bytes.....";
    let jwk = keys.public("secret", &json!({})).to_string();
    let mut inputs = Vec::new();
    for algorithm in ["HS256", "HS384", "HS512", "RS256"] {
        let key = if algorithm == "RS256" {
            "rsa"
        } else {
            "secret"
        };
        let token = keys.token(&json!({"alg": algorithm}), &claims(), key);
        for constraints in [
            json!({"secret": text}),
            json!({"secret": "another"}),
            json!({"cert": jwk}),
            json!({"cert": set(&[keys.public("secret", &json!({}))])}),
            json!({"cert": keys.pem("rsa")}),
        ] {
            let mut constraints = constraints;
            constraints["aud"] = json!("orders");
            constraints["time"] = json!(1e12);
            inputs.push(json!({"token": token, "constraints": constraints, "secret": text}));
        }
        inputs.push(json!({"token": token, "constraints": {}, "secret": ""}));
        inputs.push(json!({"token": token, "constraints": {}, "secret": jwk}));
    }
    // Signed with the text of the public key.
    let pem = keys.pem("rsa");
    let confused = {
        let input = format!(
            "{}.{}",
            encoded(br#"{"alg":"HS256"}"#),
            encoded(CLAIMS.as_bytes())
        );
        let jwk = json!({"kty": "oct", "k": encoded(pem.as_bytes())});
        let key = SigningKey::from_jwk(jwk.as_object().expect("a key")).expect("a key");
        let signature = key
            .sign(Algorithm::Hs256, input.as_bytes())
            .expect("signed");
        format!("{input}.{}", encoded(&signature))
    };
    inputs.push(json!({"token": confused, "constraints": {"cert": pem, "aud": "orders", "time": 1e12}, "secret": "x"}));
    let rules = "default constrained := \"undefined\"\n\
         constrained := io.jwt.decode_verify(input.token, input.constraints)\n\
         decision := [constrained, io.jwt.verify_hs256(input.token, input.secret), io.jwt.verify_hs384(input.token, input.secret), io.jwt.verify_hs512(input.token, input.secret)]";
    case(rules, inputs)
}

/// Every `verify_*` on every algorithm's token.
fn verified(keys: &Keys) -> Vec<Case> {
    let mut inputs = Vec::new();
    for (algorithm, key) in ALGORITHMS {
        let token = keys.token(&json!({"alg": algorithm}), &claims(), key);
        let (input, signature) = token.rsplit_once('.').expect("a signature");
        let swapped = format!(
            "{input}.{}{}",
            if signature.starts_with('A') { "B" } else { "A" },
            &signature[1..]
        );
        for cert in [
            keys.public(key, &json!({})).to_string(),
            keys.pem(key).to_owned(),
            set(&[keys.public("other_rsa", &json!({}))]),
        ] {
            for token in [
                &token,
                &swapped,
                &format!("{input}."),
                &format!("{token}AAAA"),
            ] {
                inputs.push(json!({"token": token, "cert": cert}));
            }
        }
    }
    let names = ALGORITHMS.iter().map(|(name, _)| name.to_lowercase());
    names
        .map(|name| {
            case(
                &format!("decision := io.jwt.verify_{name}(input.token, input.cert)"),
                inputs.clone(),
            )
        })
        .collect()
}

/// Tokens whose text is the same each time, and all others verified.
fn signed(keys: &Keys) -> Vec<Case> {
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
            exact,
        ),
        case(
            "decision := io.jwt.encode_sign_raw(input.header, input.payload, input.key)",
            raw,
        ),
        case(
            "decision := io.jwt.decode_verify(io.jwt.encode_sign(input.header, {\"sub\": \"me\"}, input.key), {\"cert\": input.cert})",
            random,
        ),
    ]
}

const VERIFIED: &str = "decision := io.jwt.decode_verify(input.token, {\"cert\": input.cert, \"aud\": \"orders\", \"time\": 1000000000000})[0]";

const DECODE_VERIFY: &str = "decision := io.jwt.decode_verify(input.token, input.constraints)";

/// Policies in the forms that tutorials and the reference's documentation have.
fn published(keys: &Keys) -> Vec<Case> {
    let jwks = set(&[keys.public("rsa", &json!({"kid": "k1", "use": "sig", "alg": "RS256"}))]);
    let mut inputs = Vec::new();
    let premium = keys.token(&json!({"alg": "RS256", "kid": "k1"}), &claims(), "rsa");
    let mut basic = claims();
    basic["tier"] = json!("basic");
    let basic = keys.token(&json!({"alg": "RS256", "kid": "k1"}), &basic, "rsa");
    let forged = keys.token(
        &json!({"alg": "RS256", "kid": "k1"}),
        &claims(),
        "other_rsa",
    );
    for authorization in [
        format!("Bearer {premium}"),
        format!("Bearer {basic}"),
        format!("Bearer {forged}"),
        "Bearer x.y.z".to_owned(),
        "Bearer".to_owned(),
        premium.clone(),
        format!("Basic {premium}"),
    ] {
        inputs.push(json!({"jwks": jwks, "attributes": {"request": {"http": {"method": "GET", "headers": {"authorization": authorization}}}}}));
    }
    inputs.push(json!({"jwks": jwks, "attributes": {"request": {"http": {"headers": {}}}}}));
    PUBLISHED
        .iter()
        .map(|rules| case(rules, inputs.clone()))
        .collect()
}

const PUBLISHED: &[&str] = &[
    // The Envoy tutorial's.
    r#"import input.attributes.request.http as http_request

default decision := false

decision if {
  is_token_valid
  token.payload.tier == "premium"
}

is_token_valid if {
  token.valid
  now := 1000
  token.payload.nbf <= now
  now < token.payload.exp
}

token := {"valid": valid, "payload": payload} if {
  [_, encoded] := split(http_request.headers.authorization, " ")
  [valid, _, payload] := io.jwt.decode_verify(encoded, {"cert": input.jwks, "aud": "orders", "time": 1000000000000})
}"#,
    r#"default decision := false

bearer_token := t if {
  v := input.attributes.request.http.headers.authorization
  startswith(v, "Bearer ")
  t := substring(v, count("Bearer "), -1)
}

claims := payload if {
  io.jwt.verify_rs256(bearer_token, input.jwks)
  [_, payload, _] := io.jwt.decode(bearer_token)
}

decision if claims.tier == "premium""#,
    // With the result as an argument.
    r#"default decision := false

payload := p if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.decode(token, [_, p, _])
}

decision if payload.tier == "premium""#,
    r#"default decision := "none"

decision := tier if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.decode_verify(token, {"cert": input.jwks, "aud": "orders", "time": 1000000000000}, [true, _, {"iss": _, "aud": _, "exp": _, "nbf": _, "sub": _, "tier": tier}])
}"#,
    r#"default decision := "unverified"

decision := "forged" if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.verify_rs256(token, input.jwks, false)
}

decision := "good" if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.verify_rs256(token, input.jwks, valid)
  valid
}"#,
    r#"default decision := "unverified"

decision := "not good" if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  not io.jwt.verify_rs256(token, input.jwks, true)
}"#,
    r#"default decision := "not denied"

decision := "denied" if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  not io.jwt.verify_rs256(token, input.jwks)
}"#,
    // In a comprehension, in `every`, under `with`, over two lines and behind an alias.
    r#"decision := [payload.tier |
  some word in split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.decode(word, [
    _,
    payload, # the claims, of course
    _,
  ])
]"#,
    r#"default decision := false

decision if {
  tokens := [w | some w in split(input.attributes.request.http.headers.authorization, " "); contains(w, ".")]
  count(tokens) > 0
  every token in tokens {
    io.jwt.decode(token, [_, {"iss": _, "aud": _, "exp": _, "nbf": _, "sub": _, "tier": "premium"}, _])
  }
}"#,
    r#"default decision := false

decision if {
  io.jwt.decode(input.token, [_, payload, _]) with input.token as split(input.attributes.request.http.headers.authorization, " ")[1]
  payload.tier == "premium"
}"#,
    r#"default decision := false

decision if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  io.jwt.decode((token), ([_, payload, _])); payload.tier == "premium"
}"#,
    r#"decision contains problem if {
  not valid
  problem := "the token is not valid"
}

valid if {
  [_, token] := split(input.attributes.request.http.headers.authorization, " ")
  constraints := {"cert": input.jwks, "iss": "https://issuer.example", "aud": "orders", "time": 1000000000000}
  io.jwt.decode_verify(token, constraints, [verified, header, payload])
  verified
  header.alg == "RS256"
  payload.sub == "alice"
}"#,
];

/// What we answer differently from OPA, with both answers.
pub(crate) struct Difference {
    pub(crate) case: Case,
    pub(crate) ours: &'static str,
    pub(crate) theirs: &'static str,
}

pub(crate) fn differences() -> Vec<Difference> {
    let keys = Keys::read();
    let row = |rules: &str, input: Value, ours, theirs| Difference {
        case: case(rules, vec![input]),
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
