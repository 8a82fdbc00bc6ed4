//! Reading policy files from real folders.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
};

use tempfile::TempDir;

use super::*;
use crate::policy::bundle::{Limits, files};

/// A folder with these files in it.
fn folder_of(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// Name below the folder, data path and content of each file.
type Summary = Vec<(String, String, String)>;

fn read(argument: &str, ignore: &[&str], folder: &TempDir) -> Result<Summary, SourceError> {
    let ignore: Vec<String> = ignore.iter().map(|glob| (*glob).to_owned()).collect();
    let mut files = Files::new(&ignore)?;
    files.add_path(argument)?;
    let root = format!("{}/", folder.path().display());
    let read = files.read()?.files.into_iter().map(|file| {
        (
            file.name.replace(&root, ""),
            file.data_path.join("."),
            String::from_utf8(file.bytes).unwrap(),
        )
    });
    Ok(read.collect())
}

fn names(argument: &str, ignore: &[&str], folder: &TempDir) -> Vec<String> {
    let files = read(argument, ignore, folder).unwrap();
    files.into_iter().map(|(name, ..)| name).collect()
}

fn own(name: &str, data_path: &str, content: &str) -> (String, String, String) {
    (name.to_owned(), data_path.to_owned(), content.to_owned())
}

#[test]
fn the_folders_between_root_and_file_are_the_data_path() {
    let folder = folder_of(&[
        ("root.json", "1"),
        ("foo/bar/x.yaml", "2"),
        ("foo/bar/data.yml", "3"),
        ("foo/p.rego", "4"),
        ("foo/bundle.tar.gz", "5"),
        ("foo/notes.txt", "6"),
        ("README.md", "7"),
    ]);
    let root = folder.path().display().to_string();
    assert_eq!(
        read(&root, &[], &folder).unwrap(),
        [
            own("foo/bar/data.yml", "foo.bar", "3"),
            own("foo/bar/x.yaml", "foo.bar", "2"),
            own("foo/bundle.tar.gz", "foo", "5"),
            own("foo/p.rego", "foo", "4"),
            own("root.json", "", "1"),
        ]
    );
    assert_eq!(
        read(&format!("a.b:{root}/foo/bar"), &[], &folder).unwrap(),
        [
            own("foo/bar/data.yml", "a.b", "3"),
            own("foo/bar/x.yaml", "a.b", "2"),
        ]
    );
}

#[test]
fn a_file_that_is_named_itself_has_no_folders() {
    let folder = folder_of(&[("foo/bar/x.json", "{}"), ("foo/.h.rego", "x")]);
    let root = folder.path().display().to_string();
    let file = [own("foo/bar/x.json", "", "{}")];
    assert_eq!(
        read(&format!("{root}/foo/bar/x.json"), &[], &folder).unwrap(),
        file
    );
    assert_eq!(
        read(&format!("file://{root}/foo/bar/x.json"), &[], &folder).unwrap(),
        file
    );
    assert_eq!(
        read(&format!("q:{root}/foo/bar/x.json"), &[], &folder).unwrap(),
        [own("foo/bar/x.json", "q", "{}")]
    );
    assert_eq!(names(&format!("{root}/foo/.h.rego"), &[], &folder).len(), 1);
}

#[test]
fn a_configmap_mount_is_read_once_through_its_visible_names() {
    let folder = folder_of(&[("..2024_a/policy.rego", "a"), ("..2024_a/data.json", "{}")]);
    let root = folder.path();
    symlink("..2024_a", root.join("..data")).unwrap();
    symlink("..data/policy.rego", root.join("policy.rego")).unwrap();
    symlink("..data/data.json", root.join("data.json")).unwrap();
    assert_eq!(
        read(&root.display().to_string(), &[], &folder).unwrap(),
        [own("data.json", "", "{}"), own("policy.rego", "", "a")]
    );
}

#[test]
fn hidden_names_and_ignored_globs_are_left_out() {
    let folder = folder_of(&[
        (".hidden.json", "{}"),
        (".git/config.json", "{}"),
        ("a_test.rego", ""),
        ("a.rego", ""),
        ("tests/b.rego", ""),
        ("src/tests.rego", ""),
    ]);
    let root = folder.path().display().to_string();
    assert_eq!(
        names(&root, &[], &folder),
        ["a.rego", "a_test.rego", "src/tests.rego", "tests/b.rego"]
    );
    assert_eq!(
        names(&root, &["*_test.rego", "tests"], &folder),
        ["a.rego", "src/tests.rego"]
    );
    // The path on the command line is meant, whatever its name.
    let tests = format!("{root}/tests");
    assert_eq!(names(&tests, &["tests"], &folder), ["tests/b.rego"]);
    assert!(matches!(
        read(&root, &["[a"], &folder),
        Err(SourceError::Ignore { .. })
    ));
}

#[test]
fn a_path_that_cannot_be_a_policy_is_an_error_that_names_it() {
    let folder = folder_of(&[("x.txt", ""), ("no-extension", "")]);
    let root = folder.path().display().to_string();
    for (argument, want) in [
        (format!("{root}/nope"), "cannot read `"),
        (format!("{root}/x.txt"), "is not a policy file"),
        (format!("{root}/no-extension"), "is not a policy file"),
        ("https://example.com/b.tar.gz".to_owned(), "is a URL"),
        (String::new(), "cannot read ``"),
    ] {
        let error = read(&argument, &[], &folder).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert!(error.contains(&argument), "{error}");
    }
}

#[test]
fn what_is_no_regular_file_is_never_opened() {
    let folder = folder_of(&[]);
    let _socket = UnixListener::bind(folder.path().join("x.rego")).unwrap();
    let error = read(&folder.path().display().to_string(), &[], &folder).unwrap_err();
    assert!(matches!(error, SourceError::UnknownKind(_)), "{error}");
}

#[test]
fn a_link_that_leads_nowhere_matters_under_a_policy_name_only() {
    let folder = folder_of(&[("a.rego", "")]);
    let root = folder.path().display().to_string();
    symlink("nowhere", folder.path().join("notes.txt")).unwrap();
    assert_eq!(names(&root, &[], &folder), ["a.rego"]);
    symlink("nowhere", folder.path().join("b.rego")).unwrap();
    let error = read(&root, &[], &folder).unwrap_err().to_string();
    assert!(error.contains("b.rego"), "{error}");
}

#[test]
fn a_linked_folder_is_entered_and_a_loop_ends() {
    let folder = folder_of(&[("a/x.json", "1"), ("b/y.json", "2")]);
    let root = folder.path().display().to_string();
    symlink("../b", folder.path().join("a/link")).unwrap();
    assert_eq!(
        read(&format!("{root}/a"), &[], &folder).unwrap(),
        [own("a/link/y.json", "link", "2"), own("a/x.json", "", "1")]
    );
    symlink("..", folder.path().join("b/loop")).unwrap();
    let error = read(&root, &[], &folder).unwrap_err();
    assert!(
        matches!(error, SourceError::TooDeep(_) | SourceError::TooMuch { .. }),
        "{error}"
    );
}

fn bundle(path: &Path) -> Result<PolicyFile, SourceError> {
    let mut files = Files::default();
    files.add_bundle(path);
    let mut files = files.read()?.files;
    assert_eq!(files.len(), 1);
    Ok(files.remove(0))
}

#[test]
fn a_bundle_folder_becomes_its_archive() {
    let folder = folder_of(&[
        (".manifest", "{}"),
        (".signatures.json", "{}"),
        ("data.json", "{}"),
        ("deep/data.yaml", "a: 1"),
        ("deep/p.rego", "package p"),
        ("other.json", "{}"),
        (".git/data.json", "{}"),
        ("deep/.q.rego", ""),
    ]);
    let file = bundle(folder.path()).unwrap();
    assert_eq!(file.name, format!("{}/", folder.path().display()));
    let inside = files("b", &file.bytes, &Limits::default()).unwrap();
    let want = [
        (".manifest", "{}"),
        (".signatures.json", "{}"),
        ("data.json", "{}"),
        ("deep/data.yaml", "a: 1"),
        ("deep/p.rego", "package p"),
    ];
    assert_eq!(
        inside,
        want.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    );
    assert_eq!(bundle(folder.path()).unwrap().bytes, file.bytes);
}

#[test]
fn a_bundle_archive_is_handed_on_as_it_is() {
    let folder = folder_of(&[("b.tgz", "bytes"), ("b.rego", "package b")]);
    let file = bundle(&folder.path().join("b.tgz")).unwrap();
    assert_eq!(file.bytes, b"bytes");
    assert!(bundle(&folder.path().join("b.rego")).is_err());
    assert!(bundle(&folder.path().join("nope")).is_err());
}

#[test]
fn every_part_of_a_file_counts_in_the_digest() {
    let file = |name: &str, data_path: &[&str], bytes: &str| PolicyFile {
        name: name.to_owned(),
        data_path: data_path.iter().map(|key| (*key).to_owned()).collect(),
        bytes: bytes.as_bytes().to_vec(),
    };
    let sets = [
        vec![],
        vec![file("", &[], "")],
        vec![file("a", &[], "b")],
        vec![file("ab", &[], "")],
        vec![file("", &["a"], "b")],
        vec![file("", &["a", "b"], "")],
        vec![file("", &["ab"], "")],
        vec![file("a", &[], ""), file("b", &[], "")],
        vec![file("b", &[], ""), file("a", &[], "")],
    ];
    for (at, one) in sets.iter().enumerate() {
        for (beside, other) in sets.iter().enumerate() {
            assert_eq!(Digest::of(one) == Digest::of(other), at == beside);
        }
    }
}
