//! Bundles that real OPA builds load here and mean the same; bundles that we write mean the same to
//! real OPA.

use std::path::Path;
use std::process::{Command, Stdio};

use portcullis::policy::bundle::{Manifest, Parts, write};
use portcullis::policy::{Entrypoint, LoadOptions, Policy, PolicyFile};

use crate::{opa, options, outcome};

const MODULE: &str = "package x

import rego.v1

# METADATA
# entrypoint: true
allow if {
	some role in data.x.roles
	role == input.role
}

allow if input.level > data.x.deep.level
";

const INPUTS: [&str; 4] = [
    r#"{"role":"admin"}"#,
    r#"{"role":"guest"}"#,
    r#"{"role":"guest","level":6}"#,
    "{}",
];

/// Writes the folder that is built: rules, JSON and YAML data, a manifest.
fn sources(folder: &Path) {
    let long = format!("x/{}", "a_folder/".repeat(20));
    let files = [
        ("x/p.rego", MODULE.to_owned()),
        (
            &format!("{long}q.rego"),
            "package x.far\n\nz := 1\n".to_owned(),
        ),
        ("x/data.json", r#"{"roles":["admin"]}"#.to_owned()),
        ("x/deep/data.yaml", "level: 5\n1: one\n".to_owned()),
        (
            ".manifest",
            r#"{"revision":"r","roots":["x","partial"],"metadata":{"n":[1,{}]}}"#.to_owned(),
        ),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(opa::binary())
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("opa runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// What both come to for each input, and for what `data.system` says of the bundle.
fn compare(folder: &Path, archive: &str, rule: &[&str]) {
    let file = PolicyFile {
        name: archive.to_owned(),
        data_path: Vec::new(),
        bytes: std::fs::read(folder.join(archive)).expect("the archive"),
    };
    let at = |path: &[&str]| LoadOptions {
        entrypoint: Entrypoint::Path(path.iter().map(|it| (*it).to_owned()).collect()),
        ..options()
    };
    let ask = |path: &[&str], input: &str| {
        std::fs::write(folder.join("input.json"), input).expect("written");
        let query = format!("data.{}", path.join("."));
        let eval = [
            "eval",
            "-f",
            "raw",
            "-i",
            "input.json",
            "-b",
            archive,
            &query,
        ];
        let theirs = run(folder, &eval);
        let policy = Policy::load(std::slice::from_ref(&file), &at(path));
        let ours = outcome(&policy.expect("it loads"), input);
        (ours, theirs.trim().to_owned())
    };
    for input in INPUTS {
        let (ours, theirs) = ask(rule, input);
        let theirs = if theirs.is_empty() {
            "undefined"
        } else {
            &theirs
        };
        assert!(
            opa::same(&ours, theirs),
            "{archive} {input}: {ours}, OPA {theirs}"
        );
    }
    let (ours, theirs) = ask(&["system", "bundles"], "{}");
    assert!(opa::same(&ours, &theirs), "{archive}: {ours}, OPA {theirs}");
}

pub(crate) fn opas_load_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    sources(&folder.join("b"));
    let builds: [&[&str]; 6] = [
        &["-b", "b"],
        &["b", "--ignore", ".manifest"],
        &["-b", "b", "-e", "x/allow"],
        &["-b", "b", "-O1", "-e", "x/allow"],
        &["-b", "b", "--v0-compatible"],
        &["-b", "b", "-r", "another revision"],
    ];
    for arguments in builds {
        let arguments = [&["build", "-o", "o.tar.gz"], arguments].concat();
        run(folder, &arguments);
        compare(folder, "o.tar.gz", &["x", "allow"]);
    }
    let v0 = "package x\n\nallow { input.role == \"admin\" }\n";
    std::fs::create_dir(folder.join("v0")).expect("made");
    std::fs::write(folder.join("v0/p.rego"), v0).expect("written");
    run(
        folder,
        &["build", "-b", "v0", "-o", "o.tar.gz", "--v0-compatible"],
    );
    compare(folder, "o.tar.gz", &["x", "allow"]);
    let manifest = r#"{"rego_version":1,"file_rego_versions":{"/p.rego":0}}"#;
    std::fs::write(folder.join("v0/.manifest"), manifest).expect("written");
    run(folder, &["build", "-b", "v0", "-o", "o.tar.gz"]);
    compare(folder, "o.tar.gz", &["x", "allow"]);
}

pub(crate) fn ours_load_in_opa() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let text = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
    let files = [
        text("x/p.rego", MODULE),
        text(
            &format!("x/{}q.rego", "a_folder/".repeat(20)),
            "package x.far\n\nz := 1\n",
        ),
        text("x/data.json", r#"{"roles":["admin"]}"#),
        text("x/deep/data.yaml", "level: 5\n"),
    ];
    let metadata = portcullis::input::Value::from_json_str(r#"{"k":[1]}"#).expect("JSON");
    let manifest = Manifest::default()
        .with_revision("r")
        .with_roots(vec!["x".to_owned()])
        .with_rego_version(1)
        .with_metadata(metadata);
    for manifest in [None, Some(&manifest)] {
        let parts = Parts {
            files: &files,
            manifest,
            signatures: None,
        };
        std::fs::write(
            folder.join("ours.tar.gz"),
            write(parts).expect("an archive"),
        )
        .expect("written");
        compare(folder, "ours.tar.gz", &["x", "allow"]);
        compare(folder, "ours.tar.gz", &["x", "far", "z"]);
        let listed = run(folder, &["inspect", "ours.tar.gz"]);
        assert!(listed.contains("data.x.far"), "{listed}");
    }
}
