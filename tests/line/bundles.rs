//! Bundle archives made to hurt: refused with what is wrong, and whole.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use portcullis::policy::{Entrypoint, LoadOptions, Policy, PolicyFile};
use tar::{Builder, EntryType, Header};

const MODULE: &[u8] = b"package envoy.authz\n\nallow := true\n";

/// One entry: its name as it stands, so that it may be one no honest archiver writes.
struct Member<'a>(&'a str, EntryType, &'a [u8]);

fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for Member(name, kind, content) in members {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(u64::try_from(content.len()).unwrap());
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Loads an archive; the problems as one text.
fn load(archive: Vec<u8>) -> Result<Policy, String> {
    let file = PolicyFile {
        name: "bundle.tar.gz".to_owned(),
        data_path: Vec::new(),
        bytes: archive,
    };
    let path = ["envoy", "authz", "allow"].map(str::to_owned);
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(path.to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    Policy::load(&[file], &options).map_err(|error| error.to_string())
}

fn module(name: &str) -> Vec<u8> {
    gzip(&tar(&[Member(name, EntryType::Regular, MODULE)]))
}

#[test]
fn an_entry_that_leaves_the_bundle_or_is_no_file_is_refused() {
    for name in [
        "policy.rego",
        "./policy.rego",
        "/policy.rego",
        "a/b/policy.rego",
    ] {
        assert!(load(module(name)).is_ok(), "{name}");
    }
    for name in [
        "../policy.rego",
        "a/../../policy.rego",
        "a/./policy.rego",
        "a//policy.rego",
        "//policy.rego",
        "..\\policy.rego",
    ] {
        let error = load(module(name)).unwrap_err();
        assert!(
            error.contains("must stay below the bundle's root"),
            "{name}: {error}"
        );
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
        EntryType::Char,
    ] {
        let link = Member("link.rego", kind, b"");
        let whole = [Member("policy.rego", EntryType::Regular, MODULE), link];
        let error = load(gzip(&tar(&whole))).unwrap_err();
        assert!(
            error.contains("regular files and folders only"),
            "{kind:?}: {error}"
        );
    }
}

#[test]
fn an_archive_that_grows_without_end_is_refused_at_the_bound() {
    let megabyte = vec![b' '; 1 << 20];
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let mut header = Header::new_gnu();
    header.set_path("data.json").unwrap();
    header.set_size(1 << 33);
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap();
    for _ in 0..65 {
        bomb.write_all(&megabyte).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20, "no bomb: {} bytes", bomb.len());
    let error = load(bomb).unwrap_err();
    assert!(
        error.contains("a file is at most 536870912 bytes"),
        "{error}"
    );
}

#[test]
fn an_archive_of_too_many_entries_is_refused() {
    let members = |count: usize| {
        let mut archive = tar(&[Member("policy.rego", EntryType::Regular, MODULE)]);
        archive.truncate(1024);
        for at in 0..count {
            let empty = tar(&[Member(&format!("{at}.txt"), EntryType::Regular, b"")]);
            archive.extend_from_slice(&empty[..512]);
        }
        archive.extend_from_slice(&[0; 1024]);
        gzip(&archive)
    };
    assert!(load(members(9_999)).is_ok());
    let error = load(members(10_000)).unwrap_err();
    assert!(error.contains("at most 10000 entries"), "{error}");
}

#[test]
fn an_archive_cut_short_or_damaged_is_refused() {
    let whole = module("policy.rego");
    assert!(load(whole.clone()).is_ok());
    for end in 0..whole.len() {
        assert!(load(whole[..end].to_vec()).is_err(), "cut at {end}");
    }
    let trailer = whole.len() - 8;
    let mut damaged = whole;
    damaged[trailer] ^= 1;
    assert!(load(damaged).is_err(), "a wrong checksum");
}

#[test]
fn a_file_that_is_there_twice_is_refused() {
    let other = b"package envoy.authz\n\nallow := false\n";
    let twice = [
        Member("policy.rego", EntryType::Regular, other),
        Member("./policy.rego", EntryType::Regular, MODULE),
    ];
    let error = load(gzip(&tar(&twice))).unwrap_err();
    assert!(error.contains("in the archive twice"), "{error}");
}
