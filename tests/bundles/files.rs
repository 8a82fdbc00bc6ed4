//! Bundles in files: followed without anybody asking for it.

use std::{fs, path::Path};

use portcullis::sources::bundles::{Kind, status::Stage};
use tempfile::TempDir;

use crate::gate::{Gate, source, version};

/// Replaces a file as deployments do.
fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_followed_and_a_broken_one_is_not() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bundle.tar.gz");
    replace(&path, &version(1));
    let gate = Gate::start(vec![source("authz", Kind::File(path.clone()))]).await;
    gate.decides(1).await;
    replace(&path, &version(2));
    gate.decides(2).await;
    replace(&path, b"no archive");
    gate.fails("authz", Stage::Read).await;
    assert_eq!(gate.version(), Some(2));
    fs::remove_file(&path).unwrap();
    gate.fails("authz", Stage::Download).await;
    assert_eq!(gate.version(), Some(2));
    replace(&path, &version(3));
    gate.decides(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_a_bundle() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| replace(&folder.path().join(name), text.as_bytes());
    fs::create_dir(folder.path().join("release")).unwrap();
    write(
        ".manifest",
        r#"{"revision": "1", "roots": ["envoy", "release"]}"#,
    );
    write(
        "policy.rego",
        "package envoy.authz\nallow := data.release.number",
    );
    write("release/data.json", r#"{"number": 1}"#);
    let kind = Kind::File(folder.path().to_owned());
    let gate = Gate::start(vec![source("authz", kind)]).await;
    gate.decides(1).await;
    write("release/data.json", r#"{"number": 2}"#);
    gate.decides(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_later_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("later/bundle.tar.gz");
    let gate = Gate::start(vec![source("authz", Kind::File(path.clone()))]).await;
    let failure = gate.fails("authz", Stage::Download).await.failure.unwrap();
    assert!(
        failure.message.contains("later/bundle.tar.gz"),
        "{}",
        failure.message
    );
    fs::create_dir(path.parent().unwrap()).unwrap();
    replace(&path, &version(1));
    gate.decides(1).await;
}
