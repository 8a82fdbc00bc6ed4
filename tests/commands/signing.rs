//! `sign` and `verify`, and the keys that every command takes which reads bundles.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    authors::{Folder, Pair, inspected},
    capture, portcullis,
};

#[test]
fn a_signed_archive_verifies_and_a_changed_one_does_not() {
    let folder = Folder::new();
    let (mine, other) = (
        Pair::new(&folder, "mine", "ES256"),
        Pair::new(&folder, "other", "ES256"),
    );
    let bundle = folder.built(&[
        "--signing-key",
        &mine.private,
        "--signing-alg",
        "ES256",
        "-r",
        "r7",
    ]);
    let verify = |path: &str, arguments: &[&str]| {
        portcullis(&[&["verify", path, "--signing-alg", "ES256"][..], arguments].concat())
    };
    let done = verify(&bundle, &["--verification-key", &mine.public]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert!(
        done.out.contains("revision r7") && done.out.contains("`default`"),
        "{}",
        done.out
    );
    let done = verify(
        &bundle,
        &[
            "--verification-key",
            &mine.public,
            "--json",
            "--verification-key-id",
            "k",
        ],
    );
    let shown: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        shown,
        json!({"verified": true, "key_id": "k", "revision": "r7"})
    );
    for (arguments, code, said) in [
        (
            vec!["--verification-key", &other.public],
            1,
            "not that of the key",
        ),
        (
            vec!["--verification-key", &mine.public, "--scope", "x"],
            1,
            "scope",
        ),
        (vec![], 64, "--verification-key"),
        (
            vec!["--skip-verify", "--verification-key", &mine.public],
            64,
            "--verification-key",
        ),
    ] {
        let done = verify(&bundle, &arguments);
        assert_eq!((done.code, done.out.as_str()), (code, ""), "{}", done.err);
        assert!(done.err.contains(said), "{said}: {}", done.err);
    }
}

#[test]
fn a_signature_replaces_the_one_before() {
    let folder = Folder::new();
    let (mine, other) = (
        Pair::new(&folder, "mine", "ES256"),
        Pair::new(&folder, "other", "ES256"),
    );
    let bundle = folder.built(&[]);
    let verify = |path: &str, arguments: &[&str]| {
        portcullis(&[&["verify", path, "--signing-alg", "ES256"][..], arguments].concat())
    };
    let sign = |key: &str| {
        let done = portcullis(&[
            "sign",
            "-b",
            &bundle,
            "--signing-key",
            key,
            "--signing-alg",
            "ES256",
        ]);
        assert_eq!(done.code, 0, "{}", done.err);
    };
    sign(&other.private);
    assert_eq!(
        verify(&bundle, &["--verification-key", &mine.public]).code,
        1
    );
    sign(&mine.private);
    assert_eq!(
        verify(&bundle, &["--verification-key", &mine.public]).code,
        0
    );
    let unsigned = folder.built(&[]);
    let done = verify(&unsigned, &["--verification-key", &mine.public]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("is not signed"), "{}", done.err);
}

#[test]
fn a_signed_folder_verifies_with_all_its_visible_files() {
    let folder = Folder::new();
    folder.write("src/.git/config", "hidden");
    folder.write("claims.json", r#"{"scope": "prod", "iss": "ci"}"#);
    let key = ["--signing-key", "the secret", "--signing-alg", "HS256"];
    let (source, claims) = (folder.path("src"), folder.path("claims.json"));
    let done = portcullis(&[&["sign", &source, "--claims-file", &claims][..], &key].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(Path::new(&folder.path("src/.signatures.json")).exists());
    let verify = || {
        let key = [
            "--verification-key",
            "the secret",
            "--signing-alg",
            "HS256",
            "--scope",
            "prod",
        ];
        portcullis(&[&["verify", source.as_str()][..], &key].concat())
    };
    assert_eq!(verify().code, 0, "{}", verify().err);
    folder.write("src/.git/config", "changed");
    assert_eq!(verify().code, 0, "hidden files are the folder's own");
    for (path, text) in [
        ("src/README.md", "changed"),
        ("src/new.md", "new"),
        ("src/policy.rego", "package a"),
    ] {
        let before = fs::read_to_string(folder.path(path)).ok();
        folder.write(path, text);
        let done = verify();
        assert_eq!(done.code, 1);
        assert!(
            done.err.contains(path.rsplit('/').next().unwrap()),
            "{}",
            done.err
        );
        match before {
            Some(before) => folder.write(path, &before),
            None => fs::remove_file(folder.path(path)).unwrap(),
        }
        assert_eq!(verify().code, 0);
    }
    let done = portcullis(&[&["sign", &source, "-o", &folder.path("")][..], &key].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(Path::new(&folder.path(".signatures.json")).exists());
}

#[test]
fn keys_that_are_given_inline_are_never_shown() {
    let folder = Folder::new();
    let bundle = folder.built(&["--signing-key", "hunter2hunter2", "--signing-alg", "HS256"]);
    for arguments in [
        vec!["verify", &bundle, "--verification-key", "hunter2hunter2"],
        vec![
            "verify",
            &bundle,
            "--verification-key",
            "hunter2hunter3",
            "--signing-alg",
            "HS256",
        ],
        vec![
            "verify",
            &bundle,
            "--verification-key",
            "hunter2hunter2",
            "--signing-alg",
            "HS",
        ],
        vec!["sign", &bundle, "--signing-key", "hunter2hunter2"],
        vec![
            "verify",
            &bundle,
            "--verification-key",
            "hunter2hunter2",
            "--no-such-option",
        ],
    ] {
        let done = portcullis(&arguments);
        assert_ne!(done.code, 0);
        assert!(!done.err.contains("hunter2"), "{arguments:?}: {}", done.err);
    }
}

#[test]
fn commands_that_read_bundles_take_the_same_keys() {
    let folder = Folder::new();
    let key = ["--signing-alg", "HS256", "--verification-key-id", "main"];
    let bundle = folder.built(&[&["--signing-key", "a secret"][..], &key].concat());
    let request = capture("http1-mtls-get.pb");
    let request = request.to_str().unwrap();
    let decide = [
        "decide", "--policy", &bundle, "--expect", "allowed", request,
    ];
    for (arguments, code, said) in [
        (
            vec!["--verification-key", "a secret", "--signing-alg", "HS256"],
            0,
            "",
        ),
        (vec!["--skip-verify"], 0, ""),
        (vec![], 64, "no key to verify it with"),
        (
            vec!["--verification-key", "another", "--signing-alg", "HS256"],
            64,
            "not that of the key",
        ),
    ] {
        let done = portcullis(&[&decide[..], &arguments].concat());
        assert_eq!(done.code, code, "{arguments:?}: {}", done.err);
        assert!(done.err.contains(said), "{}", done.err);
    }
    // Nothing starts with a bundle that nobody verifies.
    let done = portcullis(&[
        "run",
        "--set",
        "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0",
        "-b",
        &bundle,
    ]);
    assert_eq!(done.code, 64, "{}", done.err);
    assert!(
        done.err.contains("no key to verify it with"),
        "{}",
        done.err
    );
    let claimed = inspected(&[&bundle]);
    let signature = |shown: &Value| shown["bundles"][0]["signature"].clone();
    assert_eq!(
        signature(&claimed),
        json!({"signed": true, "verified": false, "key_id": "main"})
    );
    let verified = inspected(
        &[
            &[bundle.as_str(), "--verification-key", "a secret"][..],
            &key,
        ]
        .concat(),
    );
    assert_eq!(
        signature(&verified),
        json!({"signed": true, "verified": true, "key_id": "main"})
    );
}

#[test]
fn keys_of_the_configuration_hold_for_bundles_of_the_command_line() {
    let folder = Folder::new();
    let pair = Pair::new(&folder, "mine", "ES256");
    let unsigned = folder.built(&["-r", "r1"]);
    let key = format!("keys.default.key={}", pair.public);
    let keys = ["--set-file", &key, "--set", "keys.default.algorithm=ES256"];
    let required = ["--set", "portcullis.bundles.require_signature=true"];
    let capture = capture("http1-mtls-get.pb");
    let decide = |bundle: &str, arguments: &[&str]| {
        let request = capture.to_str().unwrap();
        portcullis(&[&["decide", "-p", bundle][..], arguments, &[request]].concat())
    };
    assert_eq!(decide(&unsigned, &[]).code, 0);
    let done = decide(&unsigned, &keys);
    assert_eq!(done.code, 64);
    assert!(done.err.contains(".signatures.json"), "{}", done.err);
    let skipping = [&keys[..], &["--skip-verify"]].concat();
    assert_eq!(decide(&unsigned, &skipping).code, 0);
    let done = decide(&unsigned, &[&skipping[..], &required].concat());
    assert_eq!(done.code, 64);
    assert!(done.err.contains("require_signature"), "{}", done.err);
    let signing = [
        "--signing-key",
        &pair.private,
        "--signing-alg",
        "ES256",
        "-r",
        "r1",
    ];
    let signed = folder.built(&signing);
    assert_eq!(decide(&signed, &[&keys[..], &required].concat()).code, 0);
}
