//! `portcullis push` and `portcullis pull` as people and pipelines meet them.

use std::{path::Path, process::Stdio};

use portcullis::services::Credentials;
use serde_json::json;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{
    archive,
    bundles::archive as bundle_of,
    certificates::Authority,
    from_registry,
    server::{At, Fault, Guard, Registry, basic},
    service,
};

/// What a command left behind.
struct Done {
    code: i32,
    out: String,
    err: String,
}

async fn portcullis(arguments: &[&str]) -> Done {
    with_input(arguments, "").await
}

async fn with_input(arguments: &[&str], input: &str) -> Done {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone already.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    let done = child.wait_with_output().await.unwrap();
    Done {
        code: done.status.code().unwrap(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

pub(crate) fn bundle() -> Vec<u8> {
    bundle_of(&[
        (".manifest", br#"{"revision": "r7", "roots": ["authz"]}"#),
        (
            "authz/authz.rego",
            b"package authz\n\nallow := input.user == \"alice\"\n",
        ),
    ])
}

/// A folder with `bundle.tar.gz`.
fn folder() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bundle.tar.gz");
    std::fs::write(&path, bundle()).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// Pushes a bundle to `reference` and gives what it is by digest.
pub(crate) async fn push(reference: &str) -> String {
    let (_folder, file) = folder();
    let done = portcullis(&["push", &file, reference, "--plain-http"]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    done.out.trim_end().to_owned()
}

#[tokio::test]
async fn what_is_pushed_is_pulled_by_tag_by_digest_and_by_a_gate() {
    let registry = Registry::start().await;
    let reference = registry.reference("v1");
    let pinned = push(&reference).await;
    let digest = pinned.rsplit('@').next().unwrap();
    assert_eq!(pinned, registry.pinned(digest));
    let manifest = registry.manifest("v1");
    assert_eq!(
        manifest["annotations"],
        json!({"org.opencontainers.image.revision": "r7"})
    );
    let folder = TempDir::new().unwrap();
    for name in [&reference, &pinned] {
        let out = folder.path().join("pulled");
        let path = out.to_str().unwrap();
        let done = portcullis(&["pull", name, "-o", path, "--plain-http"]).await;
        assert_eq!((done.code, done.err.as_str()), (0, ""));
        assert_eq!(done.out.trim_end(), pinned);
        assert_eq!(std::fs::read(out).unwrap(), bundle());
    }
    let plain = service(&registry.origin(), Credentials::None);
    let pulled = archive(&mut from_registry(plain, reference), None).await;
    assert_eq!(pulled.bytes, bundle());
    assert_eq!(pulled.validator.as_deref(), Some(digest));
}

#[tokio::test]
async fn a_second_push_sends_only_what_is_not_there_and_names_the_same() {
    let registry = Registry::start().await;
    let first = push(&registry.reference("v1")).await;
    let sent = |registry: &Registry| {
        let seen = registry.seen();
        let paths = seen.iter().filter(|seen| seen.method == "PUT");
        paths
            .filter(|seen| seen.uri.path().contains("/blobs/"))
            .count()
    };
    assert_eq!(sent(&registry), 2);
    assert_eq!(push(&registry.reference("v2")).await, first);
    assert_eq!(sent(&registry), 0);
}

#[tokio::test]
async fn who_pushes_says_who_they_are() {
    let registry = Registry::start().await;
    registry.guard(Guard::Token {
        header: Some(basic("ci", "secret")),
        realm: None,
    });
    let (folder, file) = folder();
    let reference = registry.reference("v1");
    let push = ["push", &file, &reference, "--plain-http"];
    let named = [&push[..], &["--username", "ci", "--password-stdin"]].concat();
    assert_eq!(with_input(&named, "secret\n").await.code, 0);
    let done = with_input(&named, "other\n").await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("/token` answered 401"), "{}", done.err);
    assert!(!done.err.contains("other"), "{}", done.err);
    assert_eq!(portcullis(&push).await.code, 1);
    let tokens = Registry::start().await;
    tokens.guard(Guard::Header("Bearer c2VjcmV0".to_owned()));
    let token = folder.path().join("token");
    std::fs::write(&token, "secret\n").unwrap();
    let reference = tokens.reference("v1");
    let push = ["push", &file, &reference, "--plain-http"];
    let with = [&push[..], &["--token-file", token.to_str().unwrap()]].concat();
    let done = portcullis(&with).await;
    assert_eq!(done.code, 0, "{}", done.err);
}

#[tokio::test]
async fn uploads_elsewhere_take_no_credentials_along() {
    let (registry, storage) = (Registry::start().await, Registry::start().await);
    registry.guard(Guard::Header(basic("ci", "secret")));
    registry.uploads_elsewhere(&storage.origin());
    let (_folder, file) = folder();
    let reference = registry.reference("v1");
    let push = [
        "push",
        &file,
        &reference,
        "--plain-http",
        "-u",
        "ci",
        "--password-stdin",
    ];
    let done = with_input(&push, "secret").await;
    assert_eq!(done.code, 0, "{}", done.err);
    let there = storage.seen();
    assert_eq!(there.len(), 2);
    assert!(
        there
            .iter()
            .all(|seen| seen.header("authorization").is_none())
    );
}

#[tokio::test]
async fn a_registry_is_reached_over_tls_with_an_authority_of_ones_own() {
    let (folder, file) = folder();
    let authority = Authority::new("ours");
    let leaf = authority.server();
    let registry = Registry::start_tls(leaf.certificate, leaf.key, None).await;
    let path = folder.path().join("ca.crt");
    std::fs::write(&path, authority.pem()).unwrap();
    let reference = registry.reference("v1");
    let push = ["push", &file, &reference];
    let trusting = [&push[..], &["--ca-cert", path.to_str().unwrap()]].concat();
    let done = portcullis(&trusting).await;
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(portcullis(&push).await.code, 1);
}

#[tokio::test]
async fn what_a_registry_refuses_fails_and_leaves_no_file() {
    let registry = Registry::start().await;
    let reference = registry.reference("v1");
    let (_folder, file) = folder();
    registry.fault(At::Upload, Fault::Status(507));
    let done = portcullis(&["push", &file, &reference, "--plain-http"]).await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("answered 507"), "{}", done.err);
    registry.put("v1", b"archive");
    registry.fault(At::Blob, Fault::Wrong);
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("pulled");
    std::fs::write(&out, "what was there").unwrap();
    let path = out.to_str().unwrap();
    let done = portcullis(&["pull", &reference, "-o", path, "--plain-http"]).await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("has the digest"), "{}", done.err);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "what was there");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn wrong_arguments_ask_nobody() {
    let registry = Registry::start().await;
    let (folder, file) = folder();
    let broken = folder.path().join("broken.tar.gz");
    std::fs::write(&broken, "no archive").unwrap();
    let broken = broken.to_str().unwrap();
    let reference = registry.reference("v1");
    let pinned = registry.pinned(&crate::server::digest(b""));
    let short = format!("{}/org/policies", registry.host());
    let pulled = folder.path().join("pulled");
    let pulled = pulled.to_str().unwrap();
    let cases = [
        (
            vec!["push", &file, "org/policies:v1"],
            "is not `host/repository:tag`",
        ),
        (
            vec!["push", &file, &short, "--plain-http"],
            "is not `host/repository:tag`",
        ),
        (
            vec!["push", &file, &pinned, "--plain-http"],
            "push to a tag",
        ),
        (
            vec!["push", broken, &reference, "--plain-http"],
            "not a readable bundle",
        ),
        (
            vec!["push", &file, "ghcr.io/a/b:v1", "--plain-http"],
            "for this machine only",
        ),
        (
            vec!["push", &file, &reference, "--username", "ci"],
            "--password-stdin",
        ),
        (
            vec!["pull", "policies", "-o", pulled],
            "is not `host/repository:tag`",
        ),
        (vec!["pull", &reference, "--plain-http"], "--output"),
    ];
    for (arguments, reason) in cases {
        let done = portcullis(&arguments).await;
        assert_eq!(done.code, 64, "{arguments:?}");
        assert!(done.err.contains(reason), "{arguments:?}: {}", done.err);
    }
    assert!(registry.seen().is_empty());
    assert!(!Path::new(pulled).exists());
}
