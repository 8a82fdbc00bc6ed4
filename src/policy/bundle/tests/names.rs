//! Names in archives, in all the ways there are to write them, and kinds of entries.

use super::*;

const MODULE: &[u8] = b"package a\n";

/// A PAX record.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n").into_bytes()
}

/// Entries that end with a module called `short.rego`.
fn with_module(before: &[(EntryType, &[u8])]) -> Vec<u8> {
    let before = before
        .iter()
        .flat_map(|(kind, bytes)| entry(b"x", *kind, bytes));
    compressed(before.chain(file("short.rego", MODULE)).collect())
}

fn module_of(bytes: &[u8]) -> String {
    let bundle = snapshot(bytes).unwrap();
    bundle.modules[0].name.clone()
}

#[test]
fn a_name_that_is_odd_is_refused() {
    let text = problem(&archive(&[("a", b""), ("../a.rego", MODULE)]));
    assert!(text.contains("entry `../a.rego`"), "{text}");
    for name in [
        "../a.rego",
        "a/../../b.rego",
        "a/..",
        "//a.rego",
        "/./a.rego",
        "a//b.rego",
        "a\\b.rego",
        "C:\\a.rego",
        "a\nb.rego",
        "a\u{7f}.rego",
        "a.rego/",
        ".",
        "/",
    ] {
        let text = problem(&archive(&[(name, MODULE)]));
        assert!(text.contains("below the bundle's root"), "{name}: {text}");
    }
    let text = problem(&compressed(entry(b"\xff.rego", EntryType::Regular, MODULE)));
    assert!(text.contains("must be UTF-8"), "{text}");
    for name in [
        "a.rego",
        "./a.rego",
        "/a.rego",
        "a b/ü.rego",
        "..a/b...rego",
    ] {
        assert!(snapshot(&archive(&[(name, MODULE)])).is_ok(), "{name}");
    }
}

#[test]
fn one_name_twice_is_refused_however_it_is_written() {
    for other in ["a/b.txt", "./a/b.txt", "/a/b.txt"] {
        let text = problem(&archive(&[("a/b.txt", b"1"), (other, b"2")]));
        assert!(text.contains("`a/b.txt` is in the archive twice"), "{text}");
    }
    assert!(snapshot(&archive(&[("a/b.txt", b"1"), ("a/c.txt", b"1")])).is_ok());
    let long = record("path", "short.rego");
    let twice = with_module(&[(EntryType::XHeader, &long), (EntryType::Regular, MODULE)]);
    assert!(problem(&twice).contains("twice"));
}

#[test]
fn only_files_and_folders_are_taken() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::GNUSparse,
    ] {
        let text = problem(&compressed(entry(b"a.rego", kind, b"")));
        assert!(
            text.contains("regular files and folders"),
            "{kind:?}: {text}"
        );
    }
    let text = problem(&compressed(entry(b"a.rego", EntryType::new(b'Z'), b"")));
    assert!(text.contains("unknown kind"), "{text}");
    let folder = |name: &[u8], bytes| compressed(entry(name, EntryType::Directory, bytes));
    for name in [&b"a/"[..], b"./", b"./a/b/", b"/a", b"."] {
        assert!(snapshot(&folder(name, b"")).is_ok(), "{name:?}");
    }
    assert!(problem(&folder(b"../a/", b"")).contains("below the bundle's root"));
    assert!(problem(&folder(b"a/", b"hidden")).contains("a folder has no content"));
}

#[test]
fn long_names_are_read_as_tar_writes_them() {
    let long = format!("{}/p.rego", "folder/".repeat(30).trim_end_matches('/'));
    let expected = format!("b.tar.gz/{long}");
    let mut gnu = long.clone().into_bytes();
    gnu.push(0);
    assert_eq!(
        module_of(&with_module(&[(EntryType::GNULongName, &gnu)])),
        expected
    );
    let mut pax = record("mtime", "1.5");
    pax.extend(record("path", &long));
    pax.extend(record("SCHILY.xattr.user.x", "two\nlines"));
    assert_eq!(
        module_of(&with_module(&[(EntryType::XHeader, &pax)])),
        expected
    );
    let comment = record("comment", "a commit");
    let global = with_module(&[(EntryType::XGlobalHeader, &comment)]);
    assert_eq!(module_of(&global), "b.tar.gz/short.rego");
}

#[test]
fn extensions_that_rename_or_resize_by_stealth_are_refused() {
    let path = |path: &str| record("path", path);
    let size = |size: &str| record("size", size);
    let twice = [path("a.rego"), path("b.rego")].concat();
    for (before, rule) in [
        (
            vec![(EntryType::XHeader, path("../a.rego"))],
            "below the bundle's root",
        ),
        (
            vec![(EntryType::GNULongName, b"../a.rego\0".to_vec())],
            "below the bundle's root",
        ),
        (
            vec![(EntryType::GNULongName, b"a\0b.rego\0".to_vec())],
            "below the bundle's root",
        ),
        (
            vec![(EntryType::GNULongName, vec![b'a'; 1100])],
            "at most 1024 bytes",
        ),
        (vec![(EntryType::XHeader, twice)], "two long names"),
        (
            vec![
                (EntryType::GNULongName, b"a.rego".to_vec()),
                (EntryType::XHeader, path("b.rego")),
            ],
            "two long names",
        ),
        (
            vec![
                (EntryType::XHeader, size("10")),
                (EntryType::XHeader, size("10")),
            ],
            "two lists of PAX records",
        ),
        (vec![(EntryType::XHeader, size("0"))], "two different sizes"),
        (
            vec![(EntryType::XHeader, size("99999999999"))],
            "two different sizes",
        ),
        (vec![(EntryType::XHeader, size("-1"))], "no number"),
        (
            vec![(EntryType::XHeader, record("linkpath", "/etc/passwd"))],
            "regular files",
        ),
        (
            vec![(EntryType::GNULongLink, b"/etc/passwd\0".to_vec())],
            "regular files",
        ),
        (
            vec![(EntryType::XHeader, record("GNU.sparse.realsize", "1"))],
            "sparse",
        ),
        (
            vec![(EntryType::XGlobalHeader, path("a.rego"))],
            "for all files at once",
        ),
        (
            vec![(EntryType::XHeader, b"99 path=a.rego\n".to_vec())],
            "malformed",
        ),
        (
            vec![(EntryType::XHeader, b"\n17 path=a.rego\n".to_vec())],
            "malformed",
        ),
        (vec![(EntryType::XHeader, b"path".to_vec())], "malformed"),
        (
            vec![(EntryType::XHeader, vec![b'x'; 70_000])],
            "at most 65536 bytes",
        ),
    ] {
        let before: Vec<(EntryType, &[u8])> = before
            .iter()
            .map(|(kind, bytes)| (*kind, bytes.as_slice()))
            .collect();
        let text = problem(&with_module(&before));
        assert!(text.contains(rule), "{rule}: {text}");
    }
    let same = size(&MODULE.len().to_string());
    assert!(snapshot(&with_module(&[(EntryType::XHeader, &same)])).is_ok());
    let nothing = compressed(entry(b"x", EntryType::XHeader, &path("a.rego")));
    assert!(problem(&nothing).contains("belongs to no file"));
}

#[test]
fn what_is_not_supported_or_stands_elsewhere_is_named() {
    for (name, rule) in [
        ("policy.wasm", "not supported"),
        ("x/plan.json", "not supported"),
        ("x/patch.json", "belongs at the bundle's root"),
        ("x/.signatures.json", "belongs at the bundle's root"),
        ("x/.manifest", "one manifest"),
        ("x.manifest", "one manifest"),
    ] {
        let text = problem(&archive(&[(name, b"{}")]));
        assert!(text.contains(name) && text.contains(rule), "{text}");
    }
}
