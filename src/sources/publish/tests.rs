//! What becomes active when, of files and of bundles that need each other.

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::{
    digest,
    policy::{
        Entrypoint,
        bundle::{self, Contents, Limits, Reading, Verification},
    },
    sources::bundles::status::{Stage, Status},
};

fn publisher() -> Publisher {
    let load = LoadOptions {
        entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    let metrics = Arc::new(Metrics::new(None));
    Publisher::new(
        load,
        input::Options::default(),
        "test".into(),
        metrics,
        Clock::System,
    )
}

/// A publisher that waits for these bundles.
fn expecting(names: &[&str]) -> Publisher {
    let publisher = publisher();
    for name in names {
        publisher.statuses().add(&Arc::from(*name), "somewhere");
    }
    publisher
        .expect(names.iter().map(|name| Arc::from(*name)))
        .unwrap();
    publisher
}

fn file(text: &str) -> Vec<PolicyFile> {
    vec![PolicyFile {
        name: "policy.rego".into(),
        data_path: Vec::new(),
        bytes: text.as_bytes().to_vec(),
    }]
}

/// A bundle with one module, which owns its package.
fn candidate(name: &str, revision: &str, root: &str, module: &str) -> Candidate {
    let manifest = format!(r#"{{"revision": "{revision}", "roots": ["{root}"]}}"#);
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in [(".manifest", manifest.as_str()), ("policy.rego", module)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len().try_into().unwrap());
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes.as_bytes())
            .unwrap();
    }
    let archive = tar.into_inner().unwrap().finish().unwrap();
    let reading = Reading {
        limits: &Limits::default(),
        verification: &Verification::None,
        last: None,
    };
    let Contents::Snapshot(bundle) = bundle::read(name, &archive, reading).unwrap() else {
        panic!("a snapshot");
    };
    Candidate {
        bundle: Arc::new(bundle),
        digest: digest::of_parts([archive.as_slice()]),
        run_tests: false,
        signed_by: None,
    }
}

/// A bundle that decides by what `data.lib` calls `name`.
fn authz(revision: &str, name: &str) -> Candidate {
    let module = format!("package envoy.authz\nimport data.lib\nallow if lib.{name}(1)");
    candidate("authz", revision, "envoy", &module)
}

/// A bundle that defines `name`.
fn lib(revision: &str, name: &str) -> Candidate {
    candidate(
        "lib",
        revision,
        "lib",
        &format!("package lib\n{name}(x) if x == 1"),
    )
}

fn status(publisher: &Publisher, name: &str) -> Status {
    publisher.statuses().of(name).unwrap()
}

fn revision(publisher: &Publisher, name: &str) -> Option<String> {
    status(publisher, name)
        .active_revision
        .map(|revision| revision.to_string())
}

fn stage(publisher: &Publisher, name: &str) -> Option<Stage> {
    status(publisher, name).failure.map(|failure| failure.stage)
}

fn is_now(activated: &Activated) -> bool {
    matches!(activated, Activated::Now(_))
}

#[test]
fn a_broken_policy_keeps_the_active_one_and_shows_why() {
    let publisher = publisher();
    publisher
        .set_files(file("package envoy.authz\nallow := true"))
        .unwrap();
    let before = publisher.status();
    publisher
        .set_files(file("package envoy.authz\nallow := {{"))
        .unwrap_err();
    let after = publisher.status();
    assert_eq!(before["revision"], after["revision"]);
    assert_eq!(before["last_error"], Value::Null);
    assert!(
        after["last_error"]
            .as_str()
            .unwrap()
            .contains("policy.rego:2")
    );
    publisher
        .set_files(file("package envoy.authz\nallow := false"))
        .unwrap();
    assert_eq!(publisher.status()["last_error"], Value::Null);
    assert_ne!(publisher.status()["revision"], before["revision"]);
}

#[test]
fn nothing_is_active_after_a_first_failure() {
    let publisher = publisher();
    publisher
        .set_files(file("package envoy.authz\nallow := {{"))
        .unwrap_err();
    assert!(publisher.active().load().is_none());
    assert_eq!(publisher.status()["active"], false);
}

#[test]
fn nothing_is_active_before_every_bundle_is_there() {
    let publisher = expecting(&["authz", "lib"]);
    let waiting = publisher.offer(authz("a1", "yes")).unwrap();
    assert_eq!(waiting, Activated::Waiting(vec!["lib".into()]));
    assert!(publisher.active().load().is_none() && !publisher.is_complete());
    assert!(is_now(&publisher.offer(lib("l1", "yes")).unwrap()));
    assert!(publisher.active().load().is_some() && publisher.is_complete());
    assert_eq!(revision(&publisher, "authz").as_deref(), Some("a1"));
    assert_eq!(revision(&publisher, "lib").as_deref(), Some("l1"));
}

#[test]
fn plain_files_wait_for_the_bundles_too() {
    let publisher = expecting(&["lib"]);
    let files = file("package envoy.authz\nimport data.lib\nallow if lib.yes(1)");
    let waiting = publisher.set_files(files).unwrap();
    assert_eq!(waiting, Activated::Waiting(vec!["lib".into()]));
    assert!(is_now(&publisher.offer(lib("l1", "yes")).unwrap()));
}

#[test]
fn a_first_set_that_does_not_fit_is_told_of_every_bundle() {
    let publisher = expecting(&["authz", "lib"]);
    publisher.offer(authz("a1", "yes")).unwrap();
    publisher
        .offer(candidate("lib", "l1", "envoy", "package envoy.lib"))
        .unwrap_err();
    assert!(publisher.active().load().is_none());
    for name in ["authz", "lib"] {
        let failure = status(&publisher, name).failure.unwrap();
        assert_eq!(failure.stage, Stage::Compile);
        assert!(
            failure
                .errors
                .iter()
                .any(|error| error.message.contains("overlaps"))
        );
    }
    assert!(is_now(&publisher.offer(lib("l2", "yes")).unwrap()));
    assert_eq!(stage(&publisher, "authz"), None);
}

/// A publisher whose bundles fit together.
fn active() -> Publisher {
    let publisher = expecting(&["authz", "lib"]);
    publisher.offer(authz("a1", "yes")).unwrap();
    publisher.offer(lib("l1", "yes")).unwrap();
    publisher
}

#[test]
fn bundles_that_only_fit_together_come_one_after_the_other() {
    let publisher = active();
    let before = publisher.active().load_full().unwrap();
    publisher.offer(authz("a2", "certainly")).unwrap_err();
    assert_eq!(stage(&publisher, "authz"), Some(Stage::Compile));
    let between = publisher.active().load_full().unwrap();
    assert!(
        Arc::ptr_eq(&before, &between),
        "the old set serves in between"
    );

    assert!(is_now(&publisher.offer(lib("l2", "certainly")).unwrap()));
    assert_eq!(revision(&publisher, "authz").as_deref(), Some("a2"));
    assert_eq!(revision(&publisher, "lib").as_deref(), Some("l2"));
    assert_eq!(stage(&publisher, "authz"), None);
}

#[test]
fn a_bundle_that_fits_is_not_kept_back_by_one_that_does_not() {
    let publisher = active();
    publisher.offer(authz("a2", "never")).unwrap_err();
    assert!(is_now(&publisher.offer(lib("l2", "yes")).unwrap()));
    assert_eq!(revision(&publisher, "authz").as_deref(), Some("a1"));
    assert_eq!(revision(&publisher, "lib").as_deref(), Some("l2"));
    assert_eq!(stage(&publisher, "authz"), Some(Stage::Compile));
}

#[test]
fn two_that_fit_together_are_not_kept_back_by_a_third() {
    let publisher = expecting(&["authz", "lib", "other"]);
    let other = |revision, module| candidate("other", revision, "other", module);
    publisher.offer(other("o1", "package other")).unwrap();
    publisher.offer(authz("a1", "yes")).unwrap();
    publisher.offer(lib("l1", "yes")).unwrap();
    publisher
        .offer(other("o2", "package other\nx := y(1)"))
        .unwrap_err();
    publisher.offer(authz("a2", "certainly")).unwrap_err();
    assert!(is_now(&publisher.offer(lib("l2", "certainly")).unwrap()));
    let revisions = ["authz", "lib", "other"].map(|name| revision(&publisher, name).unwrap());
    assert_eq!(revisions, ["a2", "l2", "o1"]);
}

#[test]
fn the_same_bundle_is_not_compiled_again_and_takes_back_a_refused_one() {
    let publisher = active();
    let before = publisher.active().load_full().unwrap();
    publisher.offer(authz("a2", "certainly")).unwrap_err();
    assert_eq!(
        publisher.offer(authz("a1", "yes")).unwrap(),
        Activated::Same
    );
    let after = publisher.active().load_full().unwrap();
    assert!(Arc::ptr_eq(&before, &after));
    // Nothing is left that the next one could be tried with.
    publisher.offer(lib("l2", "certainly")).unwrap_err();
    assert_eq!(revision(&publisher, "authz").as_deref(), Some("a1"));
}

#[test]
fn a_bundle_that_nobody_expects_is_refused() {
    let publisher = active();
    let error = publisher
        .offer(candidate("other", "o1", "other", "package other"))
        .unwrap_err();
    assert_eq!(error.to_string(), "no bundle `other` is configured");
}

#[test]
fn a_bundle_that_is_not_configured_any_more_leaves() {
    let publisher = expecting(&["authz", "lib"]);
    publisher
        .offer(candidate(
            "authz",
            "a1",
            "envoy",
            "package envoy.authz\nallow := true",
        ))
        .unwrap();
    publisher.offer(lib("l1", "yes")).unwrap();
    assert!(is_now(&publisher.expect(["authz".into()]).unwrap()));
    let packages = publisher.status()["packages"].to_string();
    assert!(!packages.contains("lib"), "{packages}");
    assert_eq!(publisher.expect(["authz".into()]).unwrap(), Activated::Same);
}

#[test]
fn a_bundle_that_is_needed_stays_when_it_is_not_configured_any_more() {
    let publisher = active();
    let before = publisher.active().load_full().unwrap();
    publisher.expect(["authz".into()]).unwrap_err();
    assert!(Arc::ptr_eq(
        &before,
        &publisher.active().load_full().unwrap()
    ));
    assert!(
        publisher.status()["last_error"]
            .as_str()
            .unwrap()
            .contains("lib")
    );
}

#[test]
fn a_bundle_that_is_configured_later_is_waited_for() {
    let publisher = active();
    let names = || ["authz", "lib", "other"].map(Arc::from);
    let waiting = publisher.expect(names()).unwrap();
    assert_eq!(waiting, Activated::Waiting(vec!["other".into()]));
    assert!(!publisher.is_complete() && publisher.active().load().is_some());
    let later = candidate("other", "o1", "other", "package other");
    publisher.statuses().add(&"other".into(), "somewhere");
    assert!(is_now(&publisher.offer(later).unwrap()));
    assert!(publisher.is_complete());
}
