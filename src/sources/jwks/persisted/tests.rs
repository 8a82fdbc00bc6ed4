//! Keys on disk: what is written, read and refused.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn record() -> Record {
    Record {
        source: "https://i/keys".to_owned(),
        source_id: "id".to_owned(),
        fetched_at: 1_000,
        interval: 300,
        validator: None,
        jwks: "{\"keys\":[]}".to_owned(),
    }
}

#[test]
fn what_was_written_is_read_by_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), "corp");
    assert_eq!(store.read(100).unwrap(), None);
    store.write(&record()).unwrap();
    let newer = Record {
        fetched_at: 2_000,
        ..record()
    };
    store.write(&newer).unwrap();
    assert_eq!(store.read(100).unwrap(), Some(newer));
    let path = folder.path().join("portcullis/jwks/corp.json");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let files = fs::read_dir(path.parent().unwrap()).unwrap();
    assert_eq!(files.count(), 1, "nothing temporary stays");
}

#[test]
fn a_broken_or_huge_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), "corp");
    store.write(&record()).unwrap();
    for text in ["", "{}", "[]", "{\"source\": 1}"] {
        fs::write(&store.path, text).unwrap();
        let error = store.read(100).unwrap_err();
        assert!(matches!(error, PersistedError::Format { .. }), "{error}");
    }
    fs::write(&store.path, " ".repeat(MAX_BESIDES + 601)).unwrap();
    let error = store.read(100).unwrap_err();
    assert!(matches!(error, PersistedError::Read(_)), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("portcullis"), "a file").unwrap();
    let store = Store::new(folder.path(), "corp");
    let error = store.write(&record()).unwrap_err();
    assert!(matches!(error, PersistedError::Write { .. }), "{error}");
}

#[test]
fn no_name_leads_out_of_the_folder_or_meets_another() {
    let names = [
        "a", "A/b", "..", "../a", "a.b", "a%2e", "a\0", "ä", "", "a b",
    ];
    let paths: std::collections::BTreeSet<_> = names
        .into_iter()
        .map(|name| Store::new(Path::new("/p"), name).path)
        .collect();
    assert_eq!(paths.len(), names.len());
    for path in paths {
        assert_eq!(
            path.parent(),
            Some(Path::new("/p/portcullis/jwks")),
            "{path:?}"
        );
        let name = path.file_name().unwrap().to_str().unwrap();
        let stem = name.strip_suffix(".json").unwrap();
        assert!(!stem.contains(['.', '/', '\0']), "{name}");
    }
}

#[test]
fn keys_on_disk_are_used_as_long_as_they_could_have_been_in_memory() {
    let hour = 3600 * SECOND;
    let usable = |id: &str, now: u64, longest: Duration| {
        record().usable_for(id, Duration::from_secs(now), longest, 100 * SECOND)
    };
    assert_eq!(usable("id", 1_000, hour).unwrap(), 400 * SECOND);
    assert_eq!(usable("id", 1_399, hour).unwrap(), SECOND);
    assert_eq!(usable("id", 1_000, 60 * SECOND).unwrap(), 160 * SECOND);
    let refused = |result: Result<Duration, PersistedError>| result.unwrap_err();
    assert!(matches!(
        refused(usable("id", 1_400, hour)),
        PersistedError::TooOld(_)
    ));
    assert!(matches!(
        refused(usable("id", u64::MAX, hour)),
        PersistedError::TooOld(_)
    ));
    assert!(matches!(
        refused(usable("id", 999, hour)),
        PersistedError::Future
    ));
    assert!(matches!(
        refused(usable("other", 1_000, hour)),
        PersistedError::OtherSource(_)
    ));
}
