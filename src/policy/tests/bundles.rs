//! Bundles and files as one policy: what each of them owns, and what a policy knows of them.

use super::*;
use crate::policy::bundle::{Bundle, Contents, Parts, Reading, Verification, read, write};

/// A bundle of these files.
fn bundle(name: &str, files: &[(&str, &str)]) -> Arc<Bundle> {
    let files: Vec<(String, Vec<u8>)> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect();
    let archive = write(Parts {
        files: &files,
        manifest: None,
        signatures: None,
    });
    let reading = Reading {
        limits: &bundle::Limits::default(),
        verification: &Verification::None,
        last: None,
    };
    match read(name, &archive.unwrap(), reading).unwrap() {
        Contents::Snapshot(bundle) => Arc::new(bundle),
        Contents::Delta(_) => panic!("a delta"),
    }
}

fn load(files: &[PolicyFile], bundles: &[Arc<Bundle>], rule: &str) -> Result<Policy, String> {
    let set = PolicySet {
        files,
        bundles,
        ..PolicySet::default()
    };
    Policy::load_set(&set, &at(rule)).map_err(|error| error.to_string())
}

fn authz() -> Arc<Bundle> {
    bundle(
        "authz",
        &[
            (".manifest", r#"{"revision":"r1","roots":["authz"]}"#),
            (
                "authz/p.rego",
                "package authz\nallow if data.roles[input.user] == \"admin\"\n\
                 about := data.system.bundles\n",
            ),
        ],
    )
}

fn roles(revision: &str, role: &str) -> Arc<Bundle> {
    let manifest =
        format!(r#"{{"revision":"{revision}","roots":["roles"],"metadata":{{"by":"x"}}}}"#);
    let data = format!(r#"{{"u":"{role}"}}"#);
    bundle(
        "roles",
        &[(".manifest", &manifest), ("roles/data.json", &data)],
    )
}

#[test]
fn bundles_make_one_policy_with_the_files_beside_them() {
    let files = [file("extra.json", br#"{"extra":1}"#)];
    let input = || json(r#"{"user":"u"}"#);
    let policy = load(&files, &[authz(), roles("r2", "admin")], "authz/allow").unwrap();
    assert_eq!(policy.evaluate(input(), LIMITS).unwrap(), Value::from(true));
    assert_eq!(policy.revision(), "r1,r2");
    let bundles = [("authz", Some("r1")), ("roles", Some("r2"))];
    let bundles = bundles.map(|(name, revision)| (name.into(), revision.map(str::to_owned)));
    assert_eq!(policy.bundles(), bundles);
    let policy = load(&files, &[authz(), roles("", "guest")], "authz/allow").unwrap();
    assert!(policy.evaluate(input(), LIMITS).is_err());
    assert_eq!(policy.revision(), "r1");
    assert_eq!(policy.bundles()[1], ("roles".into(), None));
    assert_eq!(
        load(&[module(SKELETON)], &[], "envoy/authz/allow")
            .unwrap()
            .bundles(),
        []
    );
}

#[test]
fn a_policy_reads_what_its_bundles_are() {
    let policy = load(&[], &[authz(), roles("r2", "x")], "authz/about").unwrap();
    let expected = r#"{
        "authz":{"etag":"","manifest":{"revision":"r1","roots":["authz"]}},
        "roles":{"etag":"","manifest":{"revision":"r2","roots":["roles"],"metadata":{"by":"x"}}}}"#;
    for policy in [&policy, &policy.on_interpreter()] {
        let ours = policy.evaluate(Value::new_object(), LIMITS).unwrap();
        assert_eq!(ours, json(expected));
    }
}

#[test]
fn archives_by_file_name_are_told_under_that_name() {
    let files = [(
        "p.rego".to_owned(),
        b"package p\nabout := data.system.bundles\n".to_vec(),
    )];
    let parts = Parts {
        files: &files,
        manifest: None,
        signatures: None,
    };
    let archive = write(parts).unwrap();
    for (name, told) in [
        ("x/b.tar.gz", "x/b.tar.gz"),
        ("x/b.tgz", "x/b.tgz"),
        ("./x/b/", "./x/b"),
    ] {
        let policy = load(&[file(name, &archive)], &[], "p/about").unwrap();
        let ours = policy.evaluate(Value::new_object(), LIMITS).unwrap();
        let expected = r#"{"etag":"","manifest":{"revision":"","roots":[""]}}"#;
        assert_eq!(ours[told], json(expected), "{name}");
        assert!(policy.revision().starts_with("sha256:"));
    }
}

#[test]
fn one_part_of_data_belongs_to_one_bundle() {
    let other = |roots: &str| {
        bundle(
            "other",
            &[(".manifest", &format!(r#"{{"roots":{roots}}}"#))],
        )
    };
    let problem = load(&[], &[authz(), other(r#"["authz/x"]"#)], "authz/allow").unwrap_err();
    assert!(
        problem.contains("its root `authz/x` overlaps root `authz` of bundle `authz`"),
        "{problem}"
    );
    let problem = load(&[], &[authz(), other(r#"[""]"#)], "authz/allow").unwrap_err();
    assert!(problem.contains("overlaps"), "{problem}");
    let problem = load(&[], &[authz(), bundle("other", &[])], "authz/allow").unwrap_err();
    assert!(problem.contains("overlaps"), "{problem}");
    assert!(load(&[], &[authz(), other(r#"["authz2"]"#)], "authz/allow").is_ok());
}

#[test]
fn a_module_of_a_bundle_is_named_by_bundle_and_path() {
    let broken = bundle("authz", &[("a/p.rego", "package a\nx := {{\n")]);
    let problem = load(&[], &[broken], "a/x").unwrap_err();
    assert!(problem.contains("authz/a/p.rego:3:"), "{problem}");
    let outside = bundle(
        "authz",
        &[
            (".manifest", r#"{"roots":["b"]}"#),
            ("a/p.rego", "package a\nx := 1\n"),
        ],
    );
    let problem = load(&[], &[outside], "a/x").unwrap_err();
    assert!(
        problem.contains("authz/a/p.rego:1:") && problem.contains("outside the roots [`b`]"),
        "{problem}"
    );
}

#[test]
fn no_rule_stands_where_the_manifests_are() {
    for text in [
        "package system.bundles.other\nmanifest := 1\n",
        "package system\nbundles := 1\n",
        "package system\nbundles.other.manifest.revision := \"r\"\n",
    ] {
        let bundle = bundle("b", &[("p.rego", text), ("q.rego", "package q\nx := 1\n")]);
        let problem = load(&[], &[bundle], "q/x").unwrap_err();
        assert!(
            problem.contains("where the gate tells of its bundles"),
            "{text}: {problem}"
        );
        let problem = load(&[module(text)], &[authz()], "authz/allow").unwrap_err();
        assert!(
            problem.contains("where the gate tells of its bundles"),
            "{text}: {problem}"
        );
    }
    let beside = bundle("b", &[("p.rego", "package system.log\nmask := 1\n")]);
    assert!(load(&[], &[beside], "system/log/mask").is_ok());
    // Without bundles the path is nobody's.
    let alone = module("package system.bundles.x\ny := 1\n");
    assert!(load(&[alone], &[], "system/bundles/x/y").is_ok());
}

#[test]
fn bundles_without_a_revision_are_told_apart_by_what_is_in_them() {
    let revision = |text: &str| {
        let bundle = bundle("authz", &[("authz/p.rego", text)]);
        let policy = load(&[], &[bundle], "authz/allow").unwrap();
        policy.revision().to_owned()
    };
    let (one, other) = (
        "package authz\nallow := true",
        "package authz\nallow := false",
    );
    assert_eq!(revision(one), revision(one));
    assert_ne!(revision(one), revision(other));
    assert!(revision(one).starts_with("sha256:"));
}
