//! What becomes of files that are full, moved or gone.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use tempfile::TempDir;

use super::*;

fn files(folder: &TempDir, max_bytes: u64, max_files: u32) -> Files {
    Files::new(Options {
        path: folder.path().join("logs/decisions.log"),
        max_bytes,
        max_files,
    })
}

fn append_all(files: &mut Files, text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let written = files.append(rest).unwrap();
        assert!(written > 0);
        rest = &rest[written..];
    }
}

/// Names and contents, by name.
fn found(folder: &TempDir) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(folder.path().join("logs"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    found.sort();
    found
}

fn expect(folder: &TempDir, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    assert_eq!(found(folder), expected);
}

#[test]
fn files_are_full_of_whole_lines_and_the_oldest_goes() {
    let folder = TempDir::new().unwrap();
    let mut files = files(&folder, 6, 3);
    append_all(&mut files, "a1\nb2\nc3\n");
    expect(
        &folder,
        &[("decisions.log", "c3\n"), ("decisions.log.1", "a1\nb2\n")],
    );
    append_all(&mut files, "d4\ne5\nf6\ng7\nh8\ni9\n");
    expect(
        &folder,
        &[
            ("decisions.log", "i9\n"),
            ("decisions.log.1", "g7\nh8\n"),
            ("decisions.log.2", "e5\nf6\n"),
        ],
    );
}

#[test]
fn one_file_alone_starts_anew_when_it_is_full() {
    let folder = TempDir::new().unwrap();
    append_all(&mut files(&folder, 6, 1), "a1\nb2\nc3\n");
    expect(&folder, &[("decisions.log", "c3\n")]);
}

#[test]
fn a_line_longer_than_a_file_has_one_for_itself() {
    let folder = TempDir::new().unwrap();
    append_all(&mut files(&folder, 6, 9), "a1\nlonger than six\nb2\n");
    expect(
        &folder,
        &[
            ("decisions.log", "b2\n"),
            ("decisions.log.1", "longer than six\n"),
            ("decisions.log.2", "a1\n"),
        ],
    );
}

#[test]
fn a_smaller_number_of_files_removes_what_is_over() {
    let folder = TempDir::new().unwrap();
    append_all(&mut files(&folder, 3, 5), "a1\nb2\nc3\nd4\ne5\n");
    assert_eq!(found(&folder).len(), 5);
    append_all(&mut files(&folder, 3, 2), "f6\n");
    expect(
        &folder,
        &[("decisions.log", "f6\n"), ("decisions.log.1", "e5\n")],
    );
}

#[test]
fn a_log_that_is_there_is_gone_on_with_and_a_torn_line_is_ended() {
    for (before, after) in [
        ("", "b\n"),
        ("a\n", "a\nb\n"),
        ("a\n{\"torn", "a\n{\"torn\nb\n"),
    ] {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        fs::write(folder.path().join("logs/decisions.log"), before).unwrap();
        append_all(&mut files(&folder, 100, 2), "b\n");
        expect(&folder, &[("decisions.log", after)]);
    }
}

#[test]
fn a_file_that_was_moved_removed_or_cut_off_is_followed_by_its_path() {
    let folder = TempDir::new().unwrap();
    let mut files = files(&folder, 100, 2);
    let path = folder.path().join("logs/decisions.log");
    append_all(&mut files, "a\n");
    fs::rename(&path, folder.path().join("logs/moved")).unwrap();
    append_all(&mut files, "b\n");
    expect(&folder, &[("decisions.log", "b\n"), ("moved", "a\n")]);
    fs::remove_dir_all(folder.path().join("logs")).unwrap();
    append_all(&mut files, "c\n");
    expect(&folder, &[("decisions.log", "c\n")]);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    append_all(&mut files, "d\n");
    expect(&folder, &[("decisions.log", "d\n")]);
}

#[test]
fn what_cannot_be_written_is_an_error_that_passes() {
    let folder = TempDir::new().unwrap();
    let mut files = files(&folder, 100, 2);
    // A file where the folder should be, and then a folder where the file should be.
    fs::write(folder.path().join("logs"), "").unwrap();
    files.append(b"a\n").unwrap_err();
    fs::remove_file(folder.path().join("logs")).unwrap();
    fs::create_dir_all(folder.path().join("logs/decisions.log")).unwrap();
    let error = files.append(b"a\n").unwrap_err();
    assert!(error.to_string().ends_with("is no regular file"), "{error}");
    fs::remove_dir(folder.path().join("logs/decisions.log")).unwrap();
    append_all(&mut files, "a\n");
    expect(&folder, &[("decisions.log", "a\n")]);
}

#[test]
fn a_device_is_no_log() {
    let mut files = Files::new(Options {
        path: "/dev/full".into(),
        max_bytes: 100,
        max_files: 2,
    });
    files.append(b"a\n").unwrap_err();
    assert!(Path::new("/dev/full").exists(), "and it stays");
}

#[test]
fn files_are_for_their_owner_alone() {
    let folder = TempDir::new().unwrap();
    append_all(&mut files(&folder, 3, 2), "a\nb\n");
    let logs = folder.path().join("logs");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&logs), 0o700);
    assert_eq!(mode(&logs.join("decisions.log")), 0o600);
    assert_eq!(mode(&logs.join("decisions.log.1")), 0o600);
}
