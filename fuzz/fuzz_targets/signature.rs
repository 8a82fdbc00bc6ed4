//! Any bytes as a bundle's signature, and as what a true one speaks for: never a panic, nobody's
//! signature is taken, and what is signed here is verified here.
//!
//! An input is a compressed archive as it stands, or a digit and what the digit makes of the rest.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use libfuzzer_sys::fuzz_target;
use portcullis::{
    identity::jose::{Algorithm, SigningKey},
    policy::{
        LoadError,
        bundle::{
            Claims, Contents, Key, Limits, Parts, PrivateKey, Reading, Signer, Verification,
            Verifier, claimed_key, read, write,
        },
    },
};
use portcullis_fuzz::archive;
use serde_json::{Value, json};

/// The same in every run, so that a corpus keeps its worth.
const SECRET: &str = "a secret that no fuzzer guesses";

/// The file that modes 0, 1 and 4 have, with its SHA-256.
const FILE: (&str, &[u8]) = ("a.txt", b"a");
const HASH: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

static VERIFICATION: LazyLock<Verification> = LazyLock::new(|| {
    let key = Key::from_config(SECRET, Some("HS256"), None).expect("a secret");
    let keys = [("main".to_owned(), key)].into();
    let excluded = ["excluded/*.txt".to_owned()];
    Verification::Signed(Verifier::new(keys, None, None, &excluded).expect("one key"))
});

fn signer() -> Signer {
    Signer {
        key: PrivateKey::from_text(SECRET, Some("HS256")).expect("a secret"),
        key_id: Some("main".to_owned()),
        claims: Claims::new(),
    }
}

fn verified(archive: &[u8]) -> Result<Contents, LoadError> {
    let reading = Reading {
        limits: &Limits::default(),
        verification: &VERIFICATION,
        last: None,
    };
    read("b", archive, reading)
}

/// The bundle of these files, read with a signature; `None`: a name that no bundle has.
fn opened(files: &[(String, Vec<u8>)], signatures: &[u8]) -> Option<Result<Contents, LoadError>> {
    let parts = Parts {
        files,
        manifest: None,
        signatures: Some(signatures),
    };
    write(parts).ok().map(|archive| verified(&archive))
}

/// Whether the bundle of [`FILE`] is taken.
fn taken(signatures: &[u8]) -> bool {
    let files = [(FILE.0.to_owned(), FILE.1.to_vec())];
    let taken = opened(&files, signatures).expect("a good name");
    match taken {
        Ok(_) => true,
        Err(error) => {
            assert!(!error.0.is_empty(), "refused without a reason");
            false
        }
    }
}

/// The text of `.signatures.json` with a true signature for this header and payload.
fn signed(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
    let key = SigningKey::from_secret(SECRET.as_bytes());
    let signature = key.sign(Algorithm::Hs256, message.as_bytes());
    let token = format!("{message}.{}", BASE64.encode(signature.expect("it fits")));
    json!({"signatures": [token]}).to_string().into_bytes()
}

/// Whether a payload lists [`FILE`] and nothing else that is not excluded.
fn lists_the_file(payload: &[u8]) -> bool {
    let payload: Value = serde_json::from_slice(payload).expect("it was taken");
    let files = payload["files"].as_array().expect("it was taken");
    let name = |file: &Value| file["name"].as_str().expect("it was taken").to_owned();
    files.iter().all(|file| {
        let name = name(file);
        name.trim_start_matches(['.', '/']) == FILE.0 || name.contains("excluded/")
    }) && files.iter().any(|file| {
        let is_sha256 = file["algorithm"] == "SHA-256";
        let hash = file["hash"].as_str().expect("it was taken");
        // The other algorithms' hashes are too long to be met by chance.
        !is_sha256 || hash.eq_ignore_ascii_case(HASH)
    })
}

fn signatures_of(files: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let files = files.iter();
    let files = files.map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
    signer().sign(files).ok()
}

/// Files signed here are verified here; one byte more, one file less or one file more are not.
fn files_are_signed(files: &[(String, Vec<u8>)]) {
    let Some(signatures) = signatures_of(files) else {
        return;
    };
    match opened(files, &signatures) {
        None => return,
        // What is no data, no manifest or no patch is refused for that, not for its signature.
        Some(Err(why)) => {
            let text = why.to_string();
            let ours = files
                .iter()
                .any(|(path, _)| path.starts_with("./.") || path.ends_with(".signatures.json"));
            assert!(ours || !text.contains("the bundle's signature"), "{why}");
            assert!(ours || !text.contains("the one that was signed"), "{why}");
            return;
        }
        Some(Ok(_)) => {}
    }
    let mut more = files.to_vec();
    more.push(("one/more".to_owned(), Vec::new()));
    assert!(
        !matches!(opened(&more, &signatures), Some(Ok(_))),
        "unlisted"
    );
    let Some((last, rest)) = files.split_last() else {
        return;
    };
    if last.0.contains("excluded/") {
        return;
    }
    assert!(!matches!(opened(rest, &signatures), Some(Ok(_))), "missing");
    let mut changed = files.to_vec();
    changed.last_mut().expect("not empty").1.push(b'x');
    // In YAML a comment counts for nothing.
    if signatures_of(&changed).is_some_and(|it| it != signatures) {
        let changed = opened(&changed, &signatures);
        assert!(!matches!(changed, Some(Ok(_))), "changed");
    }
}

fn one_file_is_signed(path: &str, bytes: &[u8]) {
    files_are_signed(&[(path.to_owned(), bytes.to_vec())]);
}

fuzz_target!(|input: &[u8]| {
    if archive::is_gzip(input) {
        let _ = verified(input);
        return;
    }
    let Some((mode, bytes)) = input.split_first() else {
        return;
    };
    let header = br#"{"alg":"HS256","kid":"main"}"#;
    match mode {
        // The text of `.signatures.json`.
        b'0' => {
            let _ = claimed_key(bytes);
            assert!(!taken(bytes), "a forged signature");
        }
        // The payload of a true signature.
        b'1' => {
            if taken(&signed(header, bytes)) {
                assert!(lists_the_file(bytes), "taken unlisted");
            }
        }
        // A signed data file.
        b'2' => one_file_is_signed("x/data.json", bytes),
        b'3' => one_file_is_signed("x/data.yaml", bytes),
        // The header of a true signature.
        b'4' => {
            let file = json!({"name": FILE.0, "hash": HASH, "algorithm": "SHA-256"});
            let payload = json!({"files": [file]}).to_string();
            let signatures = signed(bytes, payload.as_bytes());
            let _ = claimed_key(&signatures);
            if taken(&signatures) {
                let header: Value = serde_json::from_slice(bytes).expect("it was taken");
                assert_eq!(
                    (&header["alg"], &header["kid"]),
                    (&json!("HS256"), &json!("main"))
                );
            }
        }
        // Several signed files.
        b'5' => files_are_signed(&archive::files(bytes)),
        // A token in three lines, not signed by us.
        _ => {
            let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
            let mut part = || BASE64.encode(lines.next().unwrap_or_default());
            let token = [part(), part(), part()].join(".");
            let signatures = json!({"signatures": [token]}).to_string();
            let _ = claimed_key(signatures.as_bytes());
            assert!(!taken(signatures.as_bytes()), "a forged signature");
        }
    }
});
