//! Any bytes as a manifest: read, or refused with a reason; what was read is written and read again
//! as the same, and a bundle that has it is read or refused.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis::policy::bundle::{
    Contents, Limits, Manifest, Parts, Reading, Verification, manifest_bytes, read, write,
};

/// Data below one root, and modules in whose paths stars have much to choose from.
static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let long = format!("a/{}/{}.rego", "a".repeat(250), "a/".repeat(300) + "a");
    let module = |path: &str| (path.to_owned(), b"package a".to_vec());
    let data = br#"{"a":{"b":1,"c":{"d":2}}}"#.to_vec();
    vec![
        ("data.json".to_owned(), data),
        module("a/b.rego"),
        module(&long),
    ]
});

fuzz_target!(|bytes: &[u8]| {
    let manifest = match Manifest::from_json("manifest", bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(!error.0.is_empty(), "refused without a reason");
            return;
        }
    };
    let written = manifest_bytes(&manifest).expect("strings for keys");
    let again = Manifest::from_json("again", &written).expect("our own");
    assert_eq!(again, manifest);
    let parts = Parts {
        files: &FILES,
        manifest: Some(&manifest),
        signatures: None,
    };
    let archive = write(parts).expect("good names");
    let reading = Reading {
        limits: &Limits::default(),
        verification: &Verification::None,
        last: None,
    };
    match read("b", &archive, reading) {
        Ok(Contents::Snapshot(bundle)) => assert_eq!(bundle.manifest(), &manifest),
        Ok(Contents::Delta(_)) => panic!("no patch in it"),
        Err(error) => assert!(!error.0.is_empty(), "refused without a reason"),
    }
});
