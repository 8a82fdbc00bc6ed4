//! What is written is the same each time, and is read as it was meant.

use proptest::prelude::*;

use super::*;
use crate::policy::bundle::{Limits, files};

fn all(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    files("b", archive, &Limits::default()).unwrap()
}

fn parts(files: &[(String, Vec<u8>)]) -> Parts<'_> {
    Parts {
        files,
        manifest: None,
        signatures: None,
    }
}

#[test]
fn the_order_of_the_files_makes_no_difference() {
    let manifest = Manifest::default()
        .with_revision("r")
        .with_roots(vec!["a".into()]);
    let mut given = vec![
        ("/b/data.json".to_owned(), b"{}".to_vec()),
        ("a.rego".to_owned(), b"package a".to_vec()),
        ("x/".repeat(80) + "long.rego", b"package x".to_vec()),
    ];
    let written = |files: &[(String, Vec<u8>)]| {
        let parts = Parts {
            files,
            manifest: Some(&manifest),
            signatures: Some(b"{}"),
        };
        write(parts).unwrap()
    };
    let one = written(&given);
    given.reverse();
    assert_eq!(one, written(&given));
    let names: Vec<String> = all(&one).into_iter().map(|(path, _)| path).collect();
    let long = "x/".repeat(80) + "long.rego";
    assert_eq!(
        names,
        [
            ".manifest",
            ".signatures.json",
            "a.rego",
            "b/data.json",
            &long
        ]
    );
    assert_eq!(all(&one)[0].1, b"{\"revision\":\"r\",\"roots\":[\"a\"]}\n");
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let file = |path: &str| (path.to_owned(), Vec::new());
    for path in ["../a", "", "a//b", "a\\b"] {
        let error = write(parts(&[file(path)])).unwrap_err();
        assert!(matches!(error, WriteError::Path { .. }), "{path}: {error}");
    }
    let error = write(parts(&[file("a"), file("/a")])).unwrap_err();
    assert_eq!(error.to_string(), "`a` is there twice");
    let manifest = Manifest::default();
    let given = [file(".manifest")];
    let both = Parts {
        manifest: Some(&manifest),
        ..parts(&given)
    };
    assert!(matches!(write(both), Err(WriteError::Twice(_))));
    assert!(write(parts(&[file("a"), file("/b")])).is_ok());
}

proptest! {
    #[test]
    fn every_file_comes_back(
        given in prop::collection::btree_map("[a-zäß .]{1,90}[a-z](/[a-z]{1,50}){0,3}",
            prop::collection::vec(any::<u8>(), 0..1500), 0..8)
    ) {
        let given: Vec<(String, Vec<u8>)> = given.into_iter().collect();
        prop_assert_eq!(all(&write(parts(&given)).unwrap()), given);
    }
}
