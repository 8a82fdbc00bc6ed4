//! Any bytes as `.signatures.json`, as the payload of a true signature, and as a signed data file: never
//! a panic, nobody's signature is taken, and what is signed here is verified here.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use libfuzzer_sys::fuzz_target;
use portcullis::{
    identity::jose::{Algorithm, SigningKey},
    policy::{
        LoadError,
        bundle::{
        Claims, Contents, Key, Limits, Parts, PrivateKey, Reading, Signer, Verification, Verifier,
        read, write,
    },
    },
};
use serde_json::json;

/// The same in every run, so that a corpus keeps its worth.
const SECRET: &str = "a secret that no fuzzer guesses";

static VERIFICATION: LazyLock<Verification> = LazyLock::new(|| {
    let key = Key::from_config(SECRET, Some("HS256"), None).expect("a secret");
    let keys = [("main".to_owned(), key)].into();
    Verification::Signed(Verifier::new(keys, None, None, &[]).expect("one key"))
});

fn signer() -> Signer {
    Signer {
        key: PrivateKey::from_text(SECRET, Some("HS256")).expect("a secret"),
        key_id: Some("main".to_owned()),
        claims: Claims::new(),
    }
}

/// The bundle of one file, read with a signature.
fn opened(path: &str, bytes: &[u8], signatures: &[u8]) -> Result<Contents, LoadError> {
    let files = [(path.to_owned(), bytes.to_vec())];
    let parts = Parts {
        files: &files,
        manifest: None,
        signatures: Some(signatures),
    };
    let archive = write(parts).expect("good names");
    let reading = Reading {
        limits: &Limits::default(),
        verification: &VERIFICATION,
        last: None,
    };
    read("b", &archive, reading)
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, bytes)) = input.split_first() else {
        return;
    };
    match mode % 4 {
        0 => assert!(opened("a.txt", b"a", bytes).is_err(), "a forged signature"),
        1 => {
            let head = BASE64.encode(r#"{"alg":"HS256","kid":"main"}"#);
            let message = format!("{head}.{}", BASE64.encode(bytes));
            let key = SigningKey::from_secret(SECRET.as_bytes());
            let signature = key.sign(Algorithm::Hs256, message.as_bytes()).expect("it fits");
            let token = format!("{message}.{}", BASE64.encode(signature));
            let signatures = json!({"signatures": [token]}).to_string();
            if opened("a.txt", b"a", signatures.as_bytes()).is_ok() {
                let text = std::str::from_utf8(bytes).expect("JSON is UTF-8");
                assert!(text.contains("a.txt") && text.contains("hash"), "taken unlisted");
            }
        }
        structured => {
            let path = if structured == 2 { "x/data.json" } else { "x/data.yaml" };
            let Ok(signatures) = signer().sign([(path, bytes)]) else {
                return;
            };
            match opened(path, bytes, &signatures) {
                // What is no data is refused for that, not for its signature.
                Err(why) => {
                    let mut problems = why.0.iter();
                    assert!(!problems.any(|it| it.message.contains("signature")), "{why}");
                }
                Ok(_) => assert!(opened(path, br#"{"other":1}"#, &signatures).is_err()),
            }
        }
    }
});
