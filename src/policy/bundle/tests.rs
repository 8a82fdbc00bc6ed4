//! Bundle archives, good and hostile.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use tar::{Builder, Header};

use super::*;

/// A tar entry as a hostile writer would make it: the name is written without checks.
fn entry(name: &str, kind: EntryType, bytes: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(u64::try_from(bytes.len()).unwrap());
    header.set_mode(0o644);
    if kind == EntryType::Symlink {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entries = entries
        .iter()
        .flat_map(|(name, bytes)| entry(name, EntryType::Regular, bytes));
    compressed(entries.collect())
}

fn compressed(mut tar: Vec<u8>) -> Vec<u8> {
    tar.extend([0; 1024]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar).unwrap();
    gzip.finish().unwrap()
}

fn problem(bytes: &[u8]) -> String {
    let problems = snapshot("b.tar.gz", bytes).unwrap_err();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join("\n")
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
        ("b/c/other.json", b"not even JSON"),
        ("README.md", b"text"),
    ]);
    let bundle = snapshot("b.tar.gz", &bundle).unwrap();
    assert_eq!(bundle.revision(), Some("r7"));
    assert_eq!(bundle.modules.len(), 1);
    assert_eq!(bundle.modules[0].name, "b.tar.gz/a/policy.rego");
    assert_eq!(bundle.modules[0].v0, None);
    let expected = Value::from_json_str(r#"{"b":{"c":{"n":1,"d":{"m":2}}}}"#).unwrap();
    assert_eq!(bundle.data, expected);
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
    let versions: Vec<Option<bool>> = snapshot("b.tar.gz", &bundle)
        .unwrap()
        .modules
        .iter()
        .map(|module| module.v0)
        .collect();
    assert_eq!(versions, [Some(true), Some(false)]);
}

#[test]
fn hostile_names_and_kinds_are_refused() {
    for name in [
        "../a.rego",
        "a/../../b.rego",
        "//a.rego",
        "a//b.rego",
        "a\\b.rego",
        ".",
    ] {
        let text = problem(&archive(&[(name, b"package a\n")]));
        assert!(text.contains("below the bundle's root"), "{name}: {text}");
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Fifo,
    ] {
        let text = problem(&compressed(entry("a.rego", kind, b"")));
        assert!(text.contains("regular files"), "{kind:?}: {text}");
    }
    let twice = archive(&[("a.rego", b"package a\n"), ("./a.rego", b"package b\n")]);
    assert!(problem(&twice).contains("twice"));
}

#[test]
fn what_is_not_supported_is_named() {
    for name in ["policy.wasm", "x/plan.json", "patch.json"] {
        let text = problem(&archive(&[(name, b"")]));
        assert!(
            text.contains(name) && text.contains("not supported"),
            "{text}"
        );
    }
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
    assert!(snapshot("b.tar.gz", &inside).is_ok());
}

#[test]
fn a_bomb_stops_at_its_bound() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut tar = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(MAX_FILE_BYTES + 1);
    header.set_path("data.json").unwrap();
    header.set_cksum();
    tar.append(&header, std::io::repeat(b' ').take(MAX_FILE_BYTES + 1))
        .unwrap();
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    let text = problem(&gzip.finish().unwrap());
    assert!(text.contains("a file is at most"), "{text}");

    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for at in 0..5 {
        let mut header = Header::new_gnu();
        header.set_size(32 << 20);
        header.set_path(format!("{at}.bin")).unwrap();
        header.set_cksum();
        gzip.write_all(header.as_bytes()).unwrap();
        std::io::copy(&mut std::io::repeat(0).take(32 << 20), &mut gzip).unwrap();
    }
    let text = problem(&gzip.finish().unwrap());
    assert!(text.contains("unpacks to at most"), "{text}");

    let empty = entry("d", EntryType::Directory, b"");
    let text = problem(&compressed(empty.repeat(MAX_ENTRIES + 1)));
    assert!(text.contains("at most 10000 entries"), "{text}");
}

#[test]
fn what_is_no_archive_or_cut_off_is_refused() {
    let whole = archive(&[("a.rego", b"package a\n")]);
    for bytes in [
        &b""[..],
        b"package a",
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 4],
    ] {
        assert!(
            problem(bytes).contains("not a readable bundle"),
            "{bytes:?}"
        );
    }
    let mut damaged = whole;
    let last = damaged.len() - 6;
    damaged[last] ^= 0xff;
    assert!(problem(&damaged).contains("not a readable bundle"));
}
