//! Any bytes as bundle archives: read, patched and loaded, or refused with a reason, within bounds.
//!
//! An input is a compressed archive as it stands, or `t` and a tar archive to be compressed, or `f`
//! and names and contents of files. Archives behind `f` follow one another, as revisions do.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use portcullis::policy::bundle::{
    Bundle, Contents, Limits, Parts, Reading, Verification, files, read, write,
};
use portcullis::policy::{LoadError, Policy, PolicySet};
use portcullis_fuzz::{archive, options};

/// So low that what goes beyond them shows in libFuzzer's own limit (`-rss_limit_mb`).
const LIMITS: Limits = Limits {
    archive_bytes: 1 << 20,
    unpacked_bytes: 4 << 20,
    file_bytes: 1 << 20,
    entries: 200,
    module_bytes: 64 << 10,
    data_bytes: 16 << 20,
};

/// What stands between two archives of files; no byte of UTF-8.
const NEXT: u8 = 0xfe;

/// More archives, and longer ones, tell nothing new about one following another.
const MOST_FOLLOWING: usize = 8;
const MOST_COMPARED: usize = 4096;

/// What the first archive follows.
static BASE: LazyLock<Arc<Bundle>> = LazyLock::new(|| {
    let data = br#"{"a":{"b":[1,{"c":2}],"s":"x"}}"#.to_vec();
    let archive = written(&[("data.json".to_owned(), data)]).expect("good names");
    match open(&archive, None).expect("a good bundle") {
        Contents::Snapshot(bundle) => Arc::new(bundle),
        Contents::Delta(_) => panic!("no patch in it"),
    }
});

fn written(files: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let parts = Parts {
        files,
        manifest: None,
        signatures: None,
    };
    write(parts).ok()
}

fn open(archive: &[u8], last: Option<&Bundle>) -> Result<Contents, LoadError> {
    let reading = Reading {
        limits: &LIMITS,
        verification: &Verification::None,
        last,
    };
    read("b", archive, reading)
}

/// The bundle that `last` becomes with an archive.
fn followed(archive: &[u8], last: &Bundle) -> Option<Bundle> {
    let contents = match open(archive, Some(last)) {
        Ok(contents) => contents,
        Err(error) => {
            assert!(!error.0.is_empty(), "refused without a reason");
            return None;
        }
    };
    match contents {
        Contents::Snapshot(bundle) => {
            if archive.len() <= MOST_COMPARED {
                let alone = open(archive, None).expect("as before");
                let Contents::Snapshot(alone) = alone else {
                    panic!("a snapshot became a delta");
                };
                // Sharing with the last one changes nothing.
                assert_eq!(format!("{bundle:?}"), format!("{alone:?}"));
            }
            Some(bundle)
        }
        Contents::Delta(delta) => match last.patched(&delta) {
            Ok(bundle) => Some(bundle),
            Err(error) => {
                assert!(!error.0.is_empty(), "refused without a reason");
                None
            }
        },
    }
}

/// What was read can be written, and is read again.
fn written_again(archive: &[u8]) {
    let mut all = files("b", archive, &LIMITS).expect("it was read before");
    let again = written(&all).expect("names that were read");
    assert_eq!(written(&all).expect("as before"), again);
    all.sort();
    let lax = Limits {
        archive_bytes: u64::MAX,
        unpacked_bytes: u64::MAX,
        entries: usize::MAX,
        ..LIMITS
    };
    assert_eq!(files("b", &again, &lax).expect("our own"), all);
}

fuzz_target!(|bytes: &[u8]| {
    let archives = match bytes.split_first() {
        _ if archive::is_gzip(bytes) => vec![bytes.to_vec()],
        Some((b't', tar)) => vec![archive::compressed(tar)],
        Some((b'f', all)) => all
            .split(|byte| *byte == NEXT)
            .take(MOST_FOLLOWING)
            .filter_map(|files| written(&archive::files(files)))
            .collect(),
        _ => vec![bytes.to_vec()],
    };
    let mut last = Arc::clone(&BASE);
    for archive in archives {
        let Some(bundle) = followed(&archive, &last) else {
            continue;
        };
        written_again(&archive);
        last = Arc::new(bundle);
        let bundles = [Arc::clone(&last)];
        let set = PolicySet {
            bundles: &bundles,
            ..PolicySet::default()
        };
        if let Err(error) = Policy::load_set(&set, &options()) {
            assert!(!error.0.is_empty(), "refused without a reason");
        }
    }
});
