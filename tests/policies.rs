//! The policy library's own `test_` rules, run by the evaluator that serves them, and what the
//! embedded default is made of.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use portcullis::policy::{
    Engine, Entrypoint, LoadOptions, Policy, PolicyFile, PolicySet,
    testing::{self, Bounds, Of, Outcome},
};

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(library())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 10, "the policy library was not found");
    folders
}

/// The files of one pattern; the quick start names the other patterns' files it is made of.
fn files(folder: &Path) -> Vec<PolicyFile> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rego" || e == "json"))
        .collect();
    if let Ok(list) = fs::read_to_string(folder.join("files.txt")) {
        paths.extend(list.lines().map(|line| library().join(line)));
    }
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .map(|path| PolicyFile {
            name: path.strip_prefix(library()).unwrap().display().to_string(),
            data_path: Vec::new(),
            bytes: fs::read(&path).unwrap(),
        })
        .collect()
}

fn options(entrypoint: impl IntoIterator<Item = String>) -> LoadOptions {
    LoadOptions {
        entrypoint: Entrypoint::Path(entrypoint.into_iter().collect()),
        v0_compatible: false,
        strict_builtin_errors: false,
    }
}

/// Package segments and names of the `test_` rules of a module.
fn test_rules(module: &str) -> Vec<Vec<String>> {
    let package = module
        .lines()
        .find_map(|line| line.strip_prefix("package "))
        .unwrap();
    let package: Vec<String> = package.split('.').map(str::to_owned).collect();
    module
        .lines()
        .filter(|line| line.starts_with("test_"))
        .map(|line| line.split([' ', ':']).next().unwrap().to_owned())
        .map(|rule| package.iter().cloned().chain([rule]).collect())
        .collect()
}

#[test]
fn every_test_rule_of_the_library_holds() {
    let mut run = 0;
    for folder in folders() {
        let files = files(&folder);
        let set = PolicySet {
            files: &files,
            ..PolicySet::default()
        };
        let results = testing::run(&set, &options([]), Of::Everything, Bounds::default());
        let results = results.unwrap_or_else(|e| panic!("{e}"));
        assert!(results.len() >= 2, "{}: too few tests", folder.display());
        for result in results {
            assert_eq!(result.outcome, Outcome::Passed, "{result}");
            run += 1;
        }
    }
    assert!(run >= 60, "only {run} test rules found");
}

#[test]
fn every_pattern_has_allowing_and_denying_tests_and_a_readme() {
    for folder in folders() {
        assert!(folder.join("README.md").exists(), "{}", folder.display());
        let text: String = files(&folder)
            .iter()
            .filter(|file| file.name.ends_with("_test.rego"))
            .map(|file| String::from_utf8(file.bytes.clone()).unwrap())
            .collect();
        let tests: Vec<_> = test_rules(&text)
            .into_iter()
            .filter_map(|mut t| t.pop())
            .collect();
        let denies = tests
            .iter()
            .any(|t| t.contains("denied") || t.contains("not_"));
        assert!(
            denies,
            "{}: no test of a denial in {tests:?}",
            folder.display()
        );
    }
}

#[test]
fn the_embedded_default_is_the_quick_start_and_runs_on_the_fast_evaluator() {
    let listed = fs::read_to_string(library().join("quickstart/files.txt")).unwrap();
    let embedded: Vec<_> = portcullis::sources::embedded::quickstart()
        .into_iter()
        .map(|file| {
            let path = library().join(&file.name);
            assert_eq!(fs::read(&path).unwrap(), file.bytes, "{}", file.name);
            file.name
        })
        .collect();
    assert_eq!(embedded, listed.lines().collect::<Vec<_>>());
    let entrypoint = ["envoy", "authz", "allow"].map(str::to_owned);
    let policy = Policy::load(
        &portcullis::sources::embedded::quickstart(),
        &options(entrypoint),
    );
    let policy = policy.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        policy.engine(),
        Engine::Rvm,
        "{:#?}",
        policy.interpreted_because()
    );
}
