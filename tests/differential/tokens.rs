//! `io.jwt.*` beside OPA's: the tokens, keys and constraints that decide differently, asked of both,
//! and the policies that people publish.
//!
//! Where we differ on purpose, both answers are written down.

#[path = "tokens/claims.rs"]
mod claims;
#[path = "tokens/differences.rs"]
mod differences;
#[path = "tokens/keys.rs"]
mod keys;
#[path = "tokens/published.rs"]
mod published;
#[path = "tokens/signing.rs"]
mod signing;

use portcullis::identity::jose::{Algorithm, JsonObject, SigningKey};
use serde_json::{Value, json};

use crate::generate::Case;
pub(crate) use differences::differences;

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

fn case(rules: &str, inputs: &[Value]) -> Case {
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
        claims::decoded(),
        claims::nested(&keys),
        claims::constrained(&keys),
        claims::claimed(&keys),
        keys::headed(&keys),
        keys::secret(&keys),
    ];
    cases.extend(keys::chosen(&keys));
    cases.extend(keys::verified(&keys));
    cases.extend(signing::signed(&keys));
    cases.extend(published::published(&keys));
    cases
}

const VERIFIED: &str = "decision := io.jwt.decode_verify(input.token, {\"cert\": input.cert, \"aud\": \"orders\", \"time\": 1000000000000})[0]";

const DECODE_VERIFY: &str = "decision := io.jwt.decode_verify(input.token, input.constraints)";
