//! Bundle archives: what they bring, and the archives that only a test would write.

mod hostile;
mod names;

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use tar::{EntryType, Header};

use super::*;

/// A tar entry as a hostile writer would make it: the name is written without checks.
pub(super) fn entry(name: &[u8], kind: EntryType, bytes: &[u8]) -> Vec<u8> {
    let mut entry = header(name, kind, bytes.len()).as_bytes().to_vec();
    entry.extend(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// Only the header of an entry, which says that `size` bytes follow.
pub(super) fn header(name: &[u8], kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(u64::try_from(size).unwrap());
    header.set_mode(0o644);
    if kind == EntryType::Symlink {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    header
}

pub(super) fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
    entry(name.as_bytes(), EntryType::Regular, bytes)
}

/// An archive of regular files.
pub(super) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let entries = files.iter().flat_map(|(name, bytes)| file(name, bytes));
    compressed(entries.collect())
}

/// The entries with the mark of the end, compressed.
pub(super) fn compressed(mut entries: Vec<u8>) -> Vec<u8> {
    entries.extend([0; 1024]);
    gzip(&entries)
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Reads without verification.
pub(super) fn contents(bytes: &[u8], limits: &Limits) -> Result<Contents, String> {
    let reading = Reading {
        limits,
        verification: &Verification::None,
        last: None,
    };
    read("b.tar.gz", bytes, reading).map_err(|error| error.to_string())
}

pub(super) fn snapshot(bytes: &[u8]) -> Result<Bundle, String> {
    match contents(bytes, &Limits::default())? {
        Contents::Snapshot(bundle) => Ok(bundle),
        Contents::Delta(_) => Err("a delta".to_owned()),
    }
}

pub(super) fn problem(bytes: &[u8]) -> String {
    snapshot(bytes).unwrap_err()
}

pub(super) fn value(json: &str) -> Value {
    Value::from_json_str(json).unwrap()
}

#[test]
fn a_bundle_brings_modules_data_and_a_revision() {
    let bundle = archive(&[
        (
            "/.manifest",
            br#"{"revision":"r7","roots":["a","b/c"],"metadata":{"x":1}}"#,
        ),
        ("/a/policy.rego", b"package a\n"),
        ("./b/c/data.json", br#"{"n":1}"#),
        ("b/c/d/data.yaml", b"m: 2\n"),
        ("b/c/e/data.yml", b"- 3\n"),
        ("b/c/other.json", b"not even JSON"),
        ("README.md", b"text"),
    ]);
    let size = bundle.len();
    let bundle = snapshot(&bundle).unwrap();
    assert_eq!(bundle.revision(), Some("r7"));
    assert_eq!(bundle.size(), u64::try_from(size).unwrap());
    assert_eq!(bundle.modules.len(), 1);
    assert_eq!(bundle.modules[0].name, "b.tar.gz/a/policy.rego");
    assert_eq!(bundle.modules[0].v0, None);
    assert_eq!(
        bundle.data,
        value(r#"{"b":{"c":{"n":1,"d":{"m":2},"e":[3]}}}"#)
    );
}

#[test]
fn rego_versions_come_from_the_manifest() {
    let bundle = archive(&[
        (
            ".manifest",
            br#"{"rego_version":0,"file_rego_versions":{"/new/*.rego":1}}"#,
        ),
        ("old.rego", b"package a\n"),
        ("new/x.rego", b"package a\n"),
    ]);
    let bundle = snapshot(&bundle).unwrap();
    let versions: Vec<Option<bool>> = bundle.modules.iter().map(|module| module.v0).collect();
    assert_eq!(versions, [Some(true), Some(false)]);
}

#[test]
fn a_large_data_file_means_what_a_small_one_means() {
    let padded = |json: &str| format!("{json}{}", " ".repeat(2 << 20)).into_bytes();
    for (json, good) in [
        (r#"{"a":[1,2.5,"x",null,{"b":true}]}"#, true),
        (r#"{"a":1,}"#, false),
        (r#"{"a":1}{}"#, false),
        ("[1]", false),
    ] {
        let small = snapshot(&archive(&[("data.json", json.as_bytes())]));
        let large = snapshot(&archive(&[("data.json", &padded(json))]));
        assert_eq!(small.is_ok(), good, "{json}");
        assert_eq!(
            small.ok().map(|bundle| bundle.data),
            large.ok().map(|bundle| bundle.data),
            "{json}"
        );
    }
    let text = problem(&archive(&[("x/data.json", &padded("{\n\"a\":,}"))]));
    assert!(
        text.contains("b.tar.gz/x/data.json:2:5: invalid JSON"),
        "{text}"
    );
}

#[test]
fn two_values_for_one_path_name_both_files() {
    let files: [(&str, &[u8]); 2] = [("data.json", br#"{"a":{"k":1}}"#), ("a/data.yaml", b"k: 2")];
    let text = problem(&archive(&files));
    assert!(
        text.contains("b.tar.gz/a/data.yaml") && text.contains("`b.tar.gz/data.json`"),
        "{text}"
    );
    let same: [(&str, &[u8]); 2] = [("data.json", br#"{"a":{"k":1}}"#), ("a/data.yaml", b"l: 2")];
    let bundle = snapshot(&archive(&same)).unwrap();
    assert_eq!(bundle.data, value(r#"{"a":{"k":1,"l":2}}"#));
}

#[test]
fn content_outside_the_roots_is_refused() {
    let text = problem(&archive(&[
        (".manifest", br#"{"roots":["a"]}"#),
        ("data.json", br#"{"a":1,"b":{"c":2}}"#),
    ]));
    assert!(text.contains("data at `data.b` lies outside"), "{text}");
    let text = problem(&archive(&[(".manifest", br#"{"roots":["a","a/b"]}"#)]));
    assert!(text.contains("overlap"), "{text}");
    let inside = archive(&[
        (".manifest", br#"{"roots":["a/b"]}"#),
        ("data.json", br#"{"a":{"b":{"c":2}}}"#),
    ]);
    assert!(snapshot(&inside).is_ok());
}

#[test]
fn what_the_gate_says_about_bundles_is_not_theirs_to_write() {
    let of = |data: &str| archive(&[("data.json", data.as_bytes())]);
    assert!(snapshot(&of(r#"{"system":{"log":{}}}"#)).is_ok());
    let text = problem(&of(r#"{"system":{"bundles":{"other":{}}}}"#));
    assert!(text.contains("is written by the gate itself"), "{text}");
    let text = problem(&archive(&[(
        ".manifest",
        br#"{"roots":["system/bundles/x"]}"#,
    )]));
    assert!(text.contains("belongs to the gate itself"), "{text}");
}

#[test]
fn the_entry_below_system_is_opas() {
    let bundle = snapshot(&archive(&[(
        ".manifest",
        br#"{"revision":"r","roots":["/a/","b"],"rego_version":1,"metadata":{"k":[1]},
                "file_rego_versions":{"/x.rego":0},"wasm":[]}"#,
    )]));
    let expected = r#"{"system":{"bundles":{"b.tar.gz":{"etag":"e","manifest":{
        "revision":"r","roots":["a","b"],"rego_version":1,"metadata":{"k":[1]},
        "file_rego_versions":{"/x.rego":0}}}}}}"#;
    assert_eq!(bundle.unwrap().with_etag("e").entry(), value(expected));
    let none = snapshot(&archive(&[])).unwrap();
    let expected = r#"{"system":{"bundles":{"b.tar.gz":{"etag":"","manifest":{
        "revision":"","roots":[""]}}}}}"#;
    assert_eq!(none.entry(), value(expected));
}

#[test]
fn all_files_can_be_had_as_they_are() {
    let whole = archive(&[("/.manifest", b"x"), ("./a/b.txt", b"y")]);
    let all = files("b", &whole, &Limits::default()).unwrap();
    let expected = [(".manifest", b"x"), ("a/b.txt", b"y")];
    let expected = expected.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()));
    assert_eq!(all, expected);
    assert!(files("b", &archive(&[("../a", b"")]), &Limits::default()).is_err());
}
