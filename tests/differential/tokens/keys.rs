//! Which key a token is verified with, by which algorithm, whatever its header says.

use serde_json::{Value, json};

use portcullis::identity::jose::{Algorithm, SigningKey};

use super::{ALGORITHMS, CLAIMS, Keys, VERIFIED, case, claims, encoded, set};
use crate::generate::Case;

/// Which key of a set it is.
pub(crate) fn chosen(keys: &Keys) -> [Case; 2] {
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
        &inputs,
    );
    [verify, case(VERIFIED, &inputs)]
}

/// What the header says, and what the signature is.
pub(crate) fn headed(keys: &Keys) -> Case {
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
    case(rules, &inputs)
}

pub(crate) fn secret(keys: &Keys) -> Case {
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
    case(rules, &inputs)
}

/// Every `verify_*` on every algorithm's token.
pub(crate) fn verified(keys: &Keys) -> Vec<Case> {
    let mut inputs = Vec::new();
    for (algorithm, key) in ALGORITHMS {
        let token = keys.token(&json!({"alg": algorithm}), &claims(), key);
        let (input, signature) = token.rsplit_once('.').expect("a signature");
        let swapped = format!(
            "{input}.{}{}",
            if signature.starts_with('A') { "B" } else { "A" },
            signature.get(1..).expect("a signature")
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
                &inputs,
            )
        })
        .collect()
}
