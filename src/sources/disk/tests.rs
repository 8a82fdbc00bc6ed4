//! What a reader finds at every step of a write, and after one that was cut off.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<OsString> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn at_every_step_of_a_write_there_is_one_whole_file_and_what_is_left_over_goes() {
    let (old, new) = ("the old one".repeat(100), "the new one".repeat(100));
    for had_old in [true, false] {
        // How far it came before it was cut off: nothing, an empty file, a part, all but the name.
        let lengths = [0, 1, new.len() / 2, new.len() - 1, new.len()];
        for written in [None].into_iter().chain(lengths.map(Some)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("bundle.tar.gz");
            let other = folder.path().join(".other.json.new-123456");
            fs::write(&other, "another's").unwrap();
            if had_old {
                replace(&path, old.as_bytes()).unwrap();
            }
            if let Some(written) = written {
                let mut temporary = start_of_temporary(&path).unwrap();
                temporary.push("aB3xYz");
                let temporary = folder.path().join(temporary);
                fs::write(temporary, &new.as_bytes()[..written]).unwrap();
            }
            // Whoever reads now, as after a restart.
            let found = fs::read_to_string(&path).ok();
            assert_eq!(found.as_deref(), had_old.then_some(&*old), "{written:?}");
            replace(&path, new.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), new);
            assert_eq!(
                names(folder.path()),
                [".other.json.new-123456", "bundle.tar.gz"],
                "{written:?}"
            );
        }
    }
}

#[test]
fn a_reader_beside_a_writer_finds_whole_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.gz");
    let versions: Vec<Vec<u8>> = (0..2_u8).map(|byte| vec![byte; 1 << 20]).collect();
    replace(&path, &versions[0]).unwrap();
    let ends = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !ends.load(Ordering::SeqCst) {
                let found = fs::read(&path).unwrap();
                assert!(versions.contains(&found), "{} bytes", found.len());
            }
        });
        for version in versions.iter().cycle().take(40) {
            replace(&path, version).unwrap();
        }
        ends.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_write_that_fails_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    replace(&path, b"old").unwrap();
    // Something that cannot be removed stands where a left-over may stand.
    let mut blocked = start_of_temporary(&path).unwrap();
    blocked.push("x");
    fs::create_dir(folder.path().join(blocked)).unwrap();
    assert!(replace(&path, b"new").is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn names_make_the_folders_of_opa_and_lead_nowhere_else() {
    for (name, expected) in [
        ("authz", "authz"),
        ("a.b", "a.b"),
        ("a/b", "a/b"),
        ("a b%2F", "a b%2F"),
        ("..", "%2E%2E"),
        ("a/../../b", "a%2F%2E%2E%2F%2E%2E%2Fb"),
        ("/etc", "%2Fetc"),
        ("a//b", "a%2F%2Fb"),
        ("a/", "a%2F"),
        ("", ""),
        ("a\0b", "a%00b"),
    ] {
        assert_eq!(path(name), Path::new(expected), "{name}");
    }
}
