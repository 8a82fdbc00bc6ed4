//! The input document of every captured request, and what must hold for all of them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::{fs, path::PathBuf};

use portcullis::{
    identity::Identity,
    input::{Encoding, Options, Plan, Value},
    request::RequestView,
};

fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let mut captures: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "pb"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    captures.sort();
    assert!(
        captures.len() > 30,
        "the captures are not where they should be"
    );
    captures
}

fn document(bytes: &[u8], options: &Options) -> Value {
    let view = RequestView::parse(bytes).expect("a readable CheckRequest");
    let identity = Identity::from_principal(view.source_principal());
    Plan::everything(options)
        .build(&view, &identity)
        .expect("a valid request")
}

#[test]
fn every_capture_has_its_document() {
    for (name, bytes) in captures() {
        insta::assert_json_snapshot!(name, document(&bytes, &Options::default()));
    }
}
