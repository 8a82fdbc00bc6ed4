//! Plain files beside bundles: no policy decides without them.

use std::{fs, path::Path};

use portcullis::{
    app::build::{BuildError, build},
    config::{Config, Given},
    sources::{bundles::status::Stage, file::Files},
};
use serde_json::json;
use tempfile::TempDir;

use crate::gate::{bundle, soon};

const ALLOW: &str = "package envoy.authz\n\nallow if not data.blocked.alice\n";

/// A configuration whose bundle is there at once, and the file `blocked.json` with this text.
fn given(folder: &Path, blocked: &str) -> (Config, Files) {
    let archive = folder.join("bundle.tar.gz");
    fs::write(&archive, bundle("1", "envoy", ALLOW)).unwrap();
    let text = json!({
        "bundles": {"authz": {"resource": format!("file://{}", archive.display())}},
        "plugins": {"envoy_ext_authz_grpc": {"addr": format!("unix://{}/grpc", folder.display())}},
        "portcullis": {"admin": {"addr": format!("unix://{}/admin", folder.display())}},
    });
    let file = folder.join("config.json");
    fs::write(&file, text.to_string()).unwrap();
    let given = Given {
        file: Some(&file),
        ..Given::default()
    };
    let config = Config::load(given, &|_| None).unwrap();
    let path = folder.join("blocked.json");
    fs::write(&path, blocked).unwrap();
    let mut files = Files::default();
    files.add_path(&path.display().to_string()).unwrap();
    (config, files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_start_with_files_that_are_broken_however_good_its_bundles_are() {
    let folder = TempDir::new().unwrap();
    let (config, files) = given(folder.path(), r#"{"blocked": {"alice": tr"#);
    let error = soon(build(&config, files)).await.unwrap_err();
    assert!(matches!(error, BuildError::Policy(_)), "{error}");
    assert!(error.to_string().contains("blocked.json"), "{error}");
    let folder = TempDir::new().unwrap();
    let (config, gone) = given(folder.path(), "");
    fs::remove_file(folder.path().join("blocked.json")).unwrap();
    let error = soon(build(&config, gone)).await.unwrap_err();
    assert!(matches!(error, BuildError::Source(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_with_files_that_are_whole_and_its_bundles() {
    let folder = TempDir::new().unwrap();
    let (config, files) = given(folder.path(), r#"{"blocked": {"alice": true}}"#);
    let _running = soon(build(&config, files)).await.unwrap();
    assert!(folder.path().join("grpc").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_serve_bundles_that_its_files_do_not_fit() {
    let folder = TempDir::new().unwrap();
    let (config, mut files) = given(folder.path(), "{}");
    // No bundle defines this function; one could.
    let module = folder.path().join("more.rego");
    fs::write(&module, "package more\n\nx if data.envoy.authz.known(1)\n").unwrap();
    files.add_path(&module.display().to_string()).unwrap();
    let starting = tokio::spawn(async move { build(&config, files).await.map(drop) });
    let body = crate::admin::shows(folder.path(), "/readyz", |_, body| {
        body["bundles"]["authz"]["error"].is_object()
    })
    .await;
    assert!(!starting.is_finished());
    assert_eq!(body["ready"], false);
    assert_eq!(
        body["bundles"]["authz"]["error"]["stage"],
        Stage::Compile.as_str()
    );
    assert!(!folder.path().join("grpc").exists());
    let health = crate::admin::get(folder.path(), "/health?bundles").await;
    assert_eq!(health.unwrap().0, 500);
    starting.abort();
}
