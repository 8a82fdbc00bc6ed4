//! `build` and `inspect`: from an author's folder to a bundle that says what it is.

use std::{fs, path::Path, process::Command};

use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Done, portcullis};

const POLICY: &str = r"package envoy.authz

default allow := false

allow if input.source.spiffe.namespace == data.envoy.ns
";

/// A folder with a policy that allows the namespace `foo`.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("src/policy.rego", POLICY);
        folder.write(
            "src/envoy/data.json",
            r#"{"ns": "foo", "n": [1.0, 1e3, "<é>"]}"#,
        );
        folder.write("src/README.md", "text\n");
        folder
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> String {
        self.0.path().join(path).to_str().unwrap().to_owned()
    }

    /// `build` of `src` to `bundle.tar.gz` with these arguments.
    pub(crate) fn build(&self, arguments: &[&str]) -> Done {
        let (from, to) = (self.path("src"), self.path("bundle.tar.gz"));
        portcullis(&[&["build", &from, "-o", &to][..], arguments].concat())
    }

    /// The same, which has to succeed.
    #[track_caller]
    pub(crate) fn built(&self, arguments: &[&str]) -> String {
        let done = self.build(arguments);
        assert_eq!(done.code, 0, "{}", done.err);
        self.path("bundle.tar.gz")
    }
}

/// Two files with a key pair, or twice the same secret.
pub(crate) struct Pair {
    pub(crate) private: String,
    pub(crate) public: String,
}

impl Pair {
    pub(crate) fn new(folder: &Folder, name: &str, algorithm: &str) -> Self {
        let (private, public) = match algorithm {
            "HS256" | "HS384" | "HS512" => {
                let secret = format!(
                    "secret-{name}-of-thirty-two-bytes-at-least-and-more-than-that-for-512"
                );
                (secret.clone(), secret)
            }
            _ => {
                let pair = KeyPair::generate_for(match algorithm {
                    "ES256" => &PKCS_ECDSA_P256_SHA256,
                    "ES384" => &PKCS_ECDSA_P384_SHA384,
                    "ES512" => &PKCS_ECDSA_P521_SHA512,
                    "EdDSA" => &PKCS_ED25519,
                    _ => &PKCS_RSA_SHA256,
                });
                let pair = pair.unwrap();
                (pair.serialize_pem(), pair.public_key_pem())
            }
        };
        folder.write(&format!("{name}.key"), &private);
        folder.write(&format!("{name}.pub"), &public);
        Self {
            private: folder.path(&format!("{name}.key")),
            public: folder.path(&format!("{name}.pub")),
        }
    }
}

pub(crate) fn inspected(arguments: &[&str]) -> Value {
    let done = portcullis(&[&["inspect", "--json"][..], arguments].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    serde_json::from_str(&done.out).unwrap()
}

#[test]
fn a_bundle_is_built_of_a_folder_and_tells_what_it_is() {
    let folder = Folder::new();
    folder.write("src/envoy/more.json", r#"{"m": {"x": 1.50}}"#);
    folder.write("src/envoy/deep/extra.yaml", "y: 2\n");
    let options = [
        "-r",
        "v1",
        "--root",
        "envoy",
        "-e",
        "envoy/authz/allow",
        "--ignore",
        "*.txt",
    ];
    let bundle = folder.built(&options);
    let first = fs::read(&bundle).unwrap();
    let shown = inspected(&["-b", &bundle]);
    assert_eq!(shown["revision"], "v1");
    assert_eq!(shown["reads"], json!(["input.source.spiffe.namespace"]));
    let of = &shown["bundles"][0];
    assert_eq!(of["revision"], "v1");
    assert_eq!(of["roots"], json!(["envoy"]));
    assert_eq!(of["entrypoints"], json!(["envoy/authz/allow"]));
    assert_eq!(
        of["signature"],
        json!({"signed": false, "verified": false, "key_id": null})
    );
    let paths: Vec<_> = of["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| &file["path"])
        .collect();
    assert_eq!(
        paths,
        [
            ".manifest",
            "envoy/data.json",
            "envoy/deep/data.yaml",
            "policy.rego"
        ]
    );
    assert_eq!(of["files"][3]["bytes"], POLICY.len());
    assert_eq!(of["archive_bytes"], first.len());
    folder.built(&options);
    assert_eq!(
        fs::read(&bundle).unwrap(),
        first,
        "the same files give the same bytes"
    );
}

#[test]
fn a_bundle_of_a_bundle_keeps_its_manifest_where_nothing_replaces_it() {
    let folder = Folder::new();
    folder.write(
        "src/.manifest",
        r#"{"revision": "r1", "roots": ["envoy"], "metadata": {"team": "x"}}"#,
    );
    let kept = folder.built(&["-b"]);
    let shown = inspected(&["-b", &kept]);
    assert_eq!(shown["bundles"][0]["revision"], "r1");
    assert_eq!(shown["bundles"][0]["roots"], json!(["envoy"]));
    let (from, to) = (folder.path("bundle.tar.gz"), folder.path("next.tar.gz"));
    let done = portcullis(&[
        "build",
        "-b",
        &from,
        "-o",
        &to,
        "-r",
        "r2",
        "-e",
        "envoy/authz",
    ]);
    assert_eq!(done.code, 0, "{}", done.err);
    let shown = inspected(&["-b", &to]);
    assert_eq!(shown["bundles"][0]["revision"], "r2");
    assert_eq!(shown["bundles"][0]["roots"], json!(["envoy"]));
    assert_eq!(shown["entrypoint"], "data.envoy.authz");
}

fn git(folder: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn the_revision_is_what_git_says_unless_another_is_given() {
    let folder = Folder::new();
    let revision = |arguments: &[&str]| {
        inspected(&["-b", &folder.built(arguments)])["bundles"][0]["revision"].clone()
    };
    // A folder of the system's for temporary files is in no repository.
    assert_eq!(revision(&[]), Value::Null);
    let source = folder.0.path().join("src");
    git(&source, &["init", "--quiet"]);
    git(&source, &["add", "."]);
    git(&source, &["commit", "--quiet", "-m", "first"]);
    git(&source, &["tag", "-a", "v2.0.0", "-m", "second"]);
    assert_eq!(revision(&[]), "v2.0.0");
    assert_eq!(revision(&["-r", "mine"]), "mine");
    folder.write("src/README.md", "changed\n");
    assert_eq!(revision(&[]), "v2.0.0-dirty");
}

#[test]
fn what_would_not_load_is_not_built() {
    for (path, text, arguments, said) in [
        (
            "src/broken.rego",
            "package a\n\nallow if )\n",
            vec![],
            "broken.rego:3:",
        ),
        (
            "src/call.rego",
            "package a\n\nx := nothing.like(1)\n",
            vec![],
            "call.rego:3:",
        ),
        ("src/x.txt", "", vec!["-e", "envoy/authz/alow"], "alow"),
        (
            "src/x.txt",
            "",
            vec!["--root", "other"],
            "outside the bundle's roots",
        ),
        (
            "src/envoy/b.json",
            "{\"ns\": \"bar\"}",
            vec![],
            "different value",
        ),
        ("src/envoy/b.json", "{", vec![], "b.json"),
        ("src/x.txt", "", vec!["--claims-file", "c"], "--signing-key"),
        (
            "src/x.txt",
            "",
            vec!["--signing-key", "s", "--signing-alg", "none"],
            "`none` is unknown",
        ),
        ("src/x.txt", "", vec!["-b", "second"], "one path"),
    ] {
        let folder = Folder::new();
        folder.write(path, text);
        let done = folder.build(&arguments);
        assert_eq!(done.code, 64, "{arguments:?} {path}: {}", done.err);
        assert!(done.err.contains(said), "{said}: {}", done.err);
        assert!(!Path::new(&folder.path("bundle.tar.gz")).exists());
    }
    let folder = Folder::new();
    folder.write("src/y.yaml", "a: 1\n");
    folder.write("src/z.yaml", "b: 1\n");
    let done = folder.build(&[]);
    assert_eq!(done.code, 64);
    assert!(done.err.contains("one YAML file"), "{}", done.err);
}

#[test]
fn inspect_shows_every_entrypoint_and_what_is_not_deterministic() {
    let folder = Folder::new();
    let text = "package lib\n\nnow := time.now_ns()\n\nyoung if now - input.iat < 5\n\nid := rand.intn(input.seed, 9)\n";
    folder.write("src/lib.rego", text);
    let bundle = folder.built(&["-e", "lib/young", "-e", "lib/id"]);
    let shown = inspected(&[&bundle]);
    assert_eq!(
        shown["nondeterministic"],
        json!(["rand.intn", "time.now_ns"])
    );
    let reads = |at: usize| {
        (
            shown["entrypoints"][at]["entrypoint"].clone(),
            shown["entrypoints"][at]["reads"].clone(),
        )
    };
    assert_eq!(reads(0), (json!("data.lib.young"), json!(["input.iat"])));
    assert_eq!(reads(1), (json!("data.lib.id"), json!(["input.seed"])));
    let other = inspected(&[&bundle, "-e", "envoy/authz/allow"]);
    assert_eq!(other["reads"], json!(["input.source.spiffe.namespace"]));
    let people = portcullis(&["inspect", &bundle]).out;
    for said in [
        "input.iat",
        "input.seed",
        "time.now_ns",
        "lib.rego",
        "all of `data`",
        "signature  none",
    ] {
        assert!(people.contains(said), "{said}: {people}");
    }
    // A library has no entrypoint of its own.
    let library = Folder::new();
    fs::remove_file(library.path("src/policy.rego")).unwrap();
    library.write("src/lib.rego", text);
    let shown = inspected(&[&library.built(&[])]);
    assert_eq!(shown["entrypoint"], Value::Null);
    assert_eq!(shown["packages"], json!(["data.lib"]));
}
