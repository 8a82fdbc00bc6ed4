//! Signed archives, read as a gate reads them.

use super::*;
use crate::policy::bundle::{self, Contents, Limits, Parts, Reading};

/// An archive of the files and, in the order of names, of what else there is.
fn archive(files: &[(&str, &[u8])], signatures: &[u8]) -> Vec<u8> {
    let files: Vec<(String, Vec<u8>)> = files
        .iter()
        .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
        .collect();
    let parts = Parts {
        files: &files,
        manifest: None,
        signatures: Some(signatures),
    };
    bundle::write(parts).unwrap()
}

fn read(archive: &[u8], verification: &Verification) -> Result<Contents, String> {
    let reading = Reading {
        limits: &Limits::default(),
        verification,
        last: None,
    };
    bundle::read("b", archive, reading).map_err(|error| error.to_string())
}

fn signed() -> Verification {
    Verification::Signed(verifier(public(Algorithm::Es256, 0)))
}

#[test]
fn a_bundle_knows_whose_signature_was_verified() {
    let signatures = signer(Algorithm::Es256, 0).sign(files()).unwrap();
    let archive = archive(&files(), &signatures);
    let by = |verification: &Verification| match read(&archive, verification) {
        Ok(Contents::Snapshot(bundle)) => bundle.signed_by().map(str::to_owned),
        other => panic!("{other:?}"),
    };
    assert_eq!(by(&signed()).as_deref(), Some("main"));
    assert_eq!(by(&Verification::Skip), None);
    let refused = read(&archive, &Verification::None).unwrap_err();
    assert!(refused.contains("no key to verify it with"), "{refused}");
}

#[test]
fn a_file_that_nobody_uses_is_verified_too() {
    let signatures = signer(Algorithm::Es256, 0).sign(files()).unwrap();
    let mut changed = files();
    changed[3].1 = b"other text";
    let refused = read(&archive(&changed, &signatures), &signed()).unwrap_err();
    assert!(
        refused.contains("b/README.md: the file is not the one"),
        "{refused}"
    );
    assert!(read(&archive(&changed, &signatures), &Verification::Skip).is_ok());
    assert!(read(&archive(&files(), &signatures), &signed()).is_ok());
}

#[test]
fn the_signature_may_stand_anywhere_and_only_at_the_root() {
    // The writer sorts: `.a` comes before `.signatures.json`, and the rest behind it.
    let mut more = files();
    more.push((".a/data.json", b"{}"));
    let signatures = signer(Algorithm::Es256, 0).sign(more.clone()).unwrap();
    assert!(read(&archive(&more, &signatures), &signed()).is_ok());
    let mut nested = files();
    nested.push(("a/.signatures.json", b"{}"));
    let signatures = signer(Algorithm::Es256, 0).sign(nested.clone()).unwrap();
    let refused = read(&archive(&nested, &signatures), &signed()).unwrap_err();
    assert!(
        refused.contains("belongs at the bundle's root"),
        "{refused}"
    );
}

#[test]
fn a_delta_needs_a_signature_as_any_bundle_does() {
    let patch: Files = vec![("patch.json", br#"{"data": []}"#)];
    let signatures = signer(Algorithm::Es256, 0).sign(patch.clone()).unwrap();
    let read_signed = read(&archive(&patch, &signatures), &signed());
    assert!(
        matches!(read_signed, Ok(Contents::Delta(_))),
        "{read_signed:?}"
    );
    let other = signer(Algorithm::Es256, 1).sign(patch.clone()).unwrap();
    let refused = read(&archive(&patch, &other), &signed()).unwrap_err();
    assert!(refused.contains("not that of the key"), "{refused}");
}
