//! Any bytes as a bundle archive: read, patched and loaded, or refused with a reason, within bounds.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use portcullis::policy::bundle::{
    Bundle, Contents, Limits, Parts, Reading, Verification, files, read, write,
};
use portcullis::policy::{LoadError, Policy, PolicySet};
use portcullis_fuzz::options;

/// So low that what goes beyond them shows in libFuzzer's own limit (`-rss_limit_mb=512`).
const LIMITS: Limits = Limits {
    archive_bytes: 1 << 20,
    unpacked_bytes: 4 << 20,
    file_bytes: 1 << 20,
    entries: 200,
    module_bytes: 64 << 10,
    data_bytes: 16 << 20,
};

/// What deltas are applied to.
static BASE: LazyLock<Bundle> = LazyLock::new(|| {
    let data = br#"{"a":{"b":[1,{"c":2}],"s":"x"}}"#.to_vec();
    let files = [("data.json".to_owned(), data)];
    let parts = Parts {
        files: &files,
        manifest: None,
        signatures: None,
    };
    let archive = write(parts).expect("good names");
    match open(&archive, None).expect("a good bundle") {
        Contents::Snapshot(bundle) => bundle,
        Contents::Delta(_) => panic!("no patch in it"),
    }
});

fn open(archive: &[u8], last: Option<&Bundle>) -> Result<Contents, LoadError> {
    let reading = Reading {
        limits: &LIMITS,
        verification: &Verification::None,
        last,
    };
    read("b", archive, reading)
}

fuzz_target!(|bytes: &[u8]| {
    let contents = match open(bytes, Some(&BASE)) {
        Ok(contents) => contents,
        Err(error) => {
            assert!(!error.0.is_empty(), "refused without a reason");
            return;
        }
    };
    let bundle = match contents {
        Contents::Snapshot(bundle) => bundle,
        Contents::Delta(delta) => match BASE.patched(&delta) {
            Ok(bundle) => bundle,
            Err(_) => return,
        },
    };
    // What was read can be written, and is read again.
    let all = files("b", bytes, &LIMITS).expect("it was read before");
    let parts = Parts {
        files: &all,
        manifest: None,
        signatures: None,
    };
    let again = write(parts).expect("names that were read");
    assert_eq!(write(parts).expect("as before"), again);
    let mut sorted = all;
    sorted.sort();
    let lax = Limits {
        archive_bytes: u64::MAX,
        unpacked_bytes: u64::MAX,
        entries: usize::MAX,
        ..LIMITS
    };
    assert_eq!(files("b", &again, &lax).expect("our own"), sorted);
    let bundles = [Arc::new(bundle)];
    let set = PolicySet {
        files: &[],
        bundles: &bundles,
    };
    if let Err(error) = Policy::load_set(&set, &options()) {
        assert!(!error.0.is_empty(), "refused without a reason");
    }
});
