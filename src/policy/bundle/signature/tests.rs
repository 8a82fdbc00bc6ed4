//! Signatures, good and tampered with.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::identity::jose::{Algorithm, SigningKey, made};

mod archives;
mod configured;

type Files = Vec<(&'static str, &'static [u8])>;

fn files() -> Files {
    vec![
        (".manifest", br#"{"revision": "r1", "roots": [""]}"#),
        ("a/p.rego", b"package a\n"),
        ("a/data.json", br#"{"b": 1.0, "a": 2}"#),
        ("README.md", b"text\n"),
    ]
}

fn private(algorithm: Algorithm, which: usize) -> PrivateKey {
    PrivateKey {
        algorithm,
        signing: SigningKey::from_jwk(&made::pair(algorithm, which).private).unwrap(),
    }
}

fn signer(algorithm: Algorithm, which: usize) -> Signer {
    Signer {
        key: private(algorithm, which),
        key_id: Some("main".to_owned()),
        claims: Claims::new(),
    }
}

/// The verifying half, as a configuration has it.
fn public(algorithm: Algorithm, which: usize) -> Key {
    let made = made::pair(algorithm, which);
    if algorithm.is_symmetric() {
        let secret = [[7; 32], [8; 32]][which];
        let text = std::str::from_utf8(&secret).unwrap();
        return Key::from_config(text, Some(algorithm.as_str()), None).unwrap();
    }
    Key::from_config(&made.pem(), Some(algorithm.as_str()), None).unwrap()
}

fn verifier(key: Key) -> Verifier {
    Verifier::new([("main".to_owned(), key)].into(), None, None, &[]).unwrap()
}

/// Who signed, or why that is not known.
fn verify(
    verifier: &Verifier,
    signatures: &[u8],
    files: &[(&str, &[u8])],
) -> Result<String, String> {
    let verification = Verification::Signed(verifier.clone());
    let text = |problem: Diagnostic| problem.to_string();
    let mut attested = verification
        .open("b", Some(signatures))
        .map_err(text)?
        .unwrap();
    for (path, bytes) in files {
        attested.check(path, bytes).map_err(text)?;
    }
    let id = attested.key_id().to_owned();
    attested.finish().map_err(text)?;
    Ok(id)
}

#[track_caller]
fn refused(verifier: &Verifier, signatures: &[u8], files: &[(&str, &[u8])], because: &str) {
    let problem = verify(verifier, signatures, files).unwrap_err();
    assert!(problem.contains(because), "{because}: {problem}");
}

/// A `.signatures.json` of any header and payload, truly signed with `ES256`.
fn made_of(header: &Value, payload: &Value) -> Vec<u8> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(header), part(payload));
    let key = private(Algorithm::Es256, 0);
    let signature = key
        .signing
        .sign(Algorithm::Es256, input.as_bytes())
        .unwrap();
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    json!({"signatures": [token]}).to_string().into_bytes()
}

/// Header and payload of what `signer` makes of the files.
fn parts() -> (Value, Value) {
    let signed = signer(Algorithm::Es256, 0).sign(files()).unwrap();
    let signed: Value = serde_json::from_slice(&signed).unwrap();
    let token = signed["signatures"][0].as_str().unwrap();
    let part = |at: usize| {
        let part = token.split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    (part(0), part(1))
}

#[test]
fn every_algorithm_verifies_with_its_own_key_and_no_other() {
    for algorithm in Algorithm::ALL {
        let signed = signer(algorithm, 0).sign(files()).unwrap();
        let right = verifier(public(algorithm, 0));
        assert_eq!(verify(&right, &signed, &files()).as_deref(), Ok("main"));
        let other = verifier(public(algorithm, 1));
        refused(&other, &signed, &files(), "not that of the key `main`");
        for confused in Algorithm::ALL.into_iter().filter(|of| *of != algorithm) {
            let other = verifier(public(confused, 0));
            let because = format!("made with `{}`", algorithm.as_str());
            refused(&other, &signed, &files(), &because);
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let pem = made::pair(Algorithm::Rs256, 0).pem();
    let forged = Signer {
        key: PrivateKey::from_text(&pem, Some("HS256")).unwrap(),
        ..signer(Algorithm::Hs256, 0)
    };
    let signed = forged.sign(files()).unwrap();
    let rsa = verifier(public(Algorithm::Rs256, 0));
    refused(&rsa, &signed, &files(), "the key `main` is for `RS256`");
    let secret = verifier(Key::from_config(&pem, Some("HS256"), None).unwrap());
    assert!(verify(&secret, &signed, &files()).is_ok());
}

#[test]
fn a_file_that_was_changed_added_removed_or_renamed_is_named() {
    let signed = signer(Algorithm::Es256, 0).sign(files()).unwrap();
    let verifier = verifier(public(Algorithm::Es256, 0));
    for at in 0..4 {
        let (path, _) = files()[at];
        let mut changed = files();
        changed[at].1 = br#"{"b": 1, "a": 2}"#;
        refused(
            &verifier,
            &signed,
            &changed,
            &format!("b/{path}: the file is not the one"),
        );
        let mut removed = files();
        removed.remove(at);
        refused(&verifier, &signed, &removed, &format!("`{path}`: listed"));
        let mut renamed = files();
        renamed[at].0 = "other/data.json";
        refused(
            &verifier,
            &signed,
            &renamed,
            "b/other/data.json: the file is not among",
        );
        let mut twice = files();
        twice.push(twice[at]);
        refused(
            &verifier,
            &signed,
            &twice,
            &format!("b/{path}: the file is not among"),
        );
    }
    let mut added = files();
    added.push(("x.rego", b"package x\n"));
    refused(
        &verifier,
        &signed,
        &added,
        "b/x.rego: the file is not among",
    );
    refused(&verifier, &signed, &[], "and 3 more: listed");
    assert!(verify(&verifier, &signed, &files()).is_ok());
}

#[test]
fn white_space_and_order_of_structured_files_do_not_matter_and_numbers_do() {
    let signed = signer(Algorithm::Es256, 0).sign(files()).unwrap();
    let verifier = verifier(public(Algorithm::Es256, 0));
    let mut same = files();
    same[2].1 = b"{\"a\":2,\n\"b\":1.0}";
    assert!(verify(&verifier, &signed, &same).is_ok());
    let mut invalid = files();
    invalid[2].1 = b"{\"a\":2";
    refused(
        &verifier,
        &signed,
        &invalid,
        "a/data.json: cannot be hashed",
    );
}

#[test]
fn what_the_token_says_of_itself_is_held_against_the_configuration() {
    let verifier = verifier(public(Algorithm::Es256, 0));
    let (header, payload) = parts();
    assert!(verify(&verifier, &made_of(&header, &payload), &files()).is_ok());
    for (name, value, because) in [
        ("alg", json!("none"), "made with `none`"),
        ("alg", json!("HS256"), "made with `HS256`"),
        ("alg", json!("es256"), "made with `es256`"),
        ("alg", json!(null), "`alg` is not a string"),
        ("kid", json!("other"), "key id `other` is not among"),
        ("kid", json!(["main"]), "`kid` is not a string"),
        ("crit", json!(["exp"]), "`crit`"),
        ("b64", json!(false), "`b64`"),
    ] {
        let mut header = header.clone();
        header[name] = value;
        refused(&verifier, &made_of(&header, &payload), &files(), because);
    }
    for (name, value, because) in [
        (
            "scope",
            json!("write"),
            "for the scope `write`; the scope is ``",
        ),
        ("scope", json!(1), "payload is not readable"),
        ("files", json!({}), "payload is not readable"),
    ] {
        let mut payload = payload.clone();
        payload[name] = value;
        refused(&verifier, &made_of(&header, &payload), &files(), because);
    }
}

#[test]
fn the_list_of_hashes_is_read_strictly() {
    let verifier = verifier(public(Algorithm::Es256, 0));
    let (header, payload) = parts();
    for (name, value, because) in [
        ("hash", json!("00"), "hash of `.manifest`"),
        ("hash", json!("zz"), "hash of `.manifest`"),
        ("hash", json!("é"), "hash of `.manifest`"),
        ("hash", json!("0".repeat(63)), "hash of `.manifest`"),
        (
            "hash",
            json!("0".repeat(64)),
            "b/.manifest: the file is not the one",
        ),
        ("algorithm", json!(""), "hash algorithm `` of `.manifest`"),
        ("algorithm", json!("sha-256"), "hash algorithm `sha-256`"),
        (
            "algorithm",
            json!("SHA-512-256"),
            "b/.manifest: the file is not the one",
        ),
        ("name", json!("a/p.rego"), "lists `a/p.rego` twice"),
        ("name", json!("/a/p.rego"), "lists `a/p.rego` twice"),
        (
            "name",
            json!("../.manifest"),
            "b/.manifest: the file is not among",
        ),
    ] {
        let mut payload = payload.clone();
        payload["files"][0][name] = value;
        refused(&verifier, &made_of(&header, &payload), &files(), because);
    }
    // As `opa sign` has names of an archive that tar made, and as another tool may write digits.
    let mut payload = payload;
    for file in payload["files"].as_array_mut().unwrap() {
        file["name"] = format!("./{}", file["name"].as_str().unwrap()).into();
        file["hash"] = file["hash"].as_str().unwrap().to_uppercase().into();
    }
    assert!(verify(&verifier, &made_of(&header, &payload), &files()).is_ok());
}

#[test]
fn a_list_is_not_taken_for_an_object_with_its_values() {
    let verifier = verifier(public(Algorithm::Es256, 0));
    let (header, payload) = parts();
    let good = made_of(&header, &payload);
    assert!(verify(&verifier, &good, &files()).is_ok());
    let good: Value = serde_json::from_slice(&good).unwrap();
    let listed = json!([good["signatures"]]).to_string();
    refused(&verifier, listed.as_bytes(), &files(), "expected an object");
    let values = json!([payload["files"], "main", ""]);
    let because = "expected an object";
    refused(&verifier, &made_of(&header, &values), &files(), because);
    let mut entries = payload;
    for file in entries["files"].as_array_mut().unwrap() {
        *file = json!([file["name"], file["hash"], file["algorithm"]]);
    }
    refused(&verifier, &made_of(&header, &entries), &files(), because);
}

#[test]
fn every_hash_algorithm_of_opa_is_read() {
    let verifier = verifier(public(Algorithm::Es256, 0));
    let (header, mut payload) = parts();
    for algorithm in HashAlgorithm::ALL {
        let listed: Vec<Value> = files()
            .into_iter()
            .map(|(path, bytes)| {
                let hash = hash::of_file(algorithm, path, bytes).unwrap();
                assert_eq!(hash.len(), algorithm.bytes());
                let hash = crate::digest::hex(&hash);
                json!({"name": path, "hash": hash, "algorithm": algorithm.as_str()})
            })
            .collect();
        payload["files"] = listed.into();
        assert!(verify(&verifier, &made_of(&header, &payload), &files()).is_ok());
        payload["files"][0]["hash"] = "00".repeat(algorithm.bytes()).into();
        refused(
            &verifier,
            &made_of(&header, &payload),
            &files(),
            algorithm.as_str(),
        );
    }
}

#[test]
fn the_signatures_file_has_one_token_and_nothing_odd() {
    let verifier = verifier(public(Algorithm::Es256, 0));
    let good = signer(Algorithm::Es256, 0).sign(files()).unwrap();
    let text: Value = serde_json::from_slice(&good).unwrap();
    let token = text["signatures"][0].as_str().unwrap().to_owned();
    let default = json!({"signatures": [token], "plugin": "_default"}).to_string();
    assert!(verify(&verifier, default.as_bytes(), &files()).is_ok());
    let (input, signature) = token.rsplit_once('.').unwrap();
    for (text, because) in [
        (json!({}), "has 0 signatures"),
        (json!({"signatures": []}), "has 0 signatures"),
        (json!({"signatures": [token, token]}), "has 2 signatures"),
        (
            json!({"signatures": [token], "plugin": "kms"}),
            "a verifier `kms`",
        ),
        (json!({"signatures": [1]}), "not readable"),
        (json!("text"), "not readable"),
        (json!({"signatures": [""]}), "not a JWT"),
        (json!({"signatures": [input]}), "not a JWT"),
        (
            json!({"signatures": [format!("{input}.")]}),
            "not that of the key",
        ),
        (json!({"signatures": [format!("{token}=")]}), "not a JWT"),
        (json!({"signatures": [format!("{token}.x")]}), "not a JWT"),
        (
            json!({"signatures": [format!("e30.{signature}.{signature}")]}),
            "payload is not readable",
        ),
    ] {
        refused(&verifier, text.to_string().as_bytes(), &files(), because);
    }
    refused(&verifier, b"", &files(), "not readable");
    let long = vec![b' '; token::MAX_BYTES + 1];
    refused(&verifier, &long, &files(), "is the most");
}

#[test]
fn what_a_stranger_wrote_is_shown_cut_and_escaped() {
    let verifier = verifier(public(Algorithm::Es256, 0));
    let (mut header, payload) = parts();
    header["kid"] = format!("\u{1b}[31m\n{}", "x".repeat(10_000)).into();
    let problem = verify(&verifier, &made_of(&header, &payload), &files()).unwrap_err();
    assert!(
        problem.len() < 500 && !problem.contains('\u{1b}'),
        "{problem}"
    );
}

#[test]
fn claims_are_signed_beside_the_files_and_cannot_replace_them() {
    let mut signer = signer(Algorithm::Es256, 0);
    signer.claims = json!({"scope": "", "iss": "ci", "keyid": "own"})
        .as_object()
        .unwrap()
        .clone();
    let signed = signer.sign(files()).unwrap();
    assert!(verify(&verifier(public(Algorithm::Es256, 0)), &signed, &files()).is_ok());
    signer.claims = json!({"files": []}).as_object().unwrap().clone();
    assert!(matches!(signer.sign(files()), Err(SigningError::Claims)));
    signer.claims.clear();
    let invalid = signer.sign([("data.json", b"{".as_slice())]).unwrap_err();
    assert!(
        invalid.to_string().contains("`data.json` cannot be hashed"),
        "{invalid}"
    );
}
