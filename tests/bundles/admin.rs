//! A whole server: what it answers before its bundles are there, and what it shows of them.

use std::path::Path;

use portcullis::{
    app::{Stopped, build::build},
    config::{Config, Given},
    shutdown,
    sources::file::Files,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use crate::{
    gate::{PATH, soon, version},
    server::{Answer, BundleServer, Version},
};

/// A configuration with this bundle server, whose ports are sockets in `folder`.
fn config(server: &BundleServer, folder: &Path) -> Config {
    let polling = json!({"min_delay_seconds": 1, "max_delay_seconds": 1});
    let text = json!({
        "services": {"ours": {"url": server.origin()}},
        "bundles": {"authz": {"service": "ours", "polling": polling}},
        "status": {"prometheus": true},
        "labels": {"region": "here"},
        "plugins": {"envoy_ext_authz_grpc": {"addr": format!("unix://{}/grpc", folder.display())}},
        "portcullis": {"admin": {"addr": format!("unix://{}/admin", folder.display())}},
    });
    let file = folder.join("config.json");
    std::fs::write(&file, text.to_string()).unwrap();
    let given = Given {
        file: Some(&file),
        ..Given::default()
    };
    Config::load(given, &|_| None).unwrap()
}

/// `GET` on the admin port.
pub(crate) async fn get(folder: &Path, path: &str) -> Option<(u16, String)> {
    let mut stream = UnixStream::connect(folder.join("admin")).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Some((head.split(' ').nth(1)?.parse().unwrap(), body.to_owned()))
}

/// Waits until what `path` shows is as wanted.
pub(crate) async fn shows(
    folder: &Path,
    path: &str,
    wanted: impl Fn(u16, &Value) -> bool,
) -> Value {
    soon(async {
        loop {
            if let Some((status, body)) = get(folder, path).await {
                let body: Value = serde_json::from_str(&body).unwrap_or_default();
                if wanted(status, &body) {
                    return body;
                }
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one life of one server")]
async fn no_check_is_taken_before_the_bundles_are_active_and_all_is_shown_meanwhile() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let server = BundleServer::start().await;
    let config = config(&server, folder);
    let (stop, stopping) = shutdown::channel();
    let serving = tokio::spawn(async move {
        let running = build(&config, Files::default()).await.unwrap();
        running.run(stopping).await
    });

    let body = shows(folder, "/readyz", |_, body| {
        body["bundles"]["authz"]["error"].is_object()
    })
    .await;
    assert_eq!(body["ready"], false);
    assert_eq!(
        body["pending"],
        json!(["bundle:authz", "listener", "policy"])
    );
    let bundle = &body["bundles"]["authz"];
    assert_eq!(bundle["active"], false);
    assert_eq!(bundle["error"]["stage"], "download");
    assert!(
        bundle["error"]["message"]
            .as_str()
            .unwrap()
            .ends_with("answered 404")
    );
    assert_eq!(get(folder, "/health?bundles").await.unwrap().0, 500);
    assert_eq!(get(folder, "/health").await.unwrap().0, 200);
    assert!(UnixStream::connect(folder.join("grpc")).await.is_err());
    let status = shows(folder, "/status", |status, _| status == 200).await;
    assert_eq!(status["bundles"]["authz"]["http_code"], 404);

    server.set(PATH, Version::new("1", version(1)));
    let body = shows(folder, "/readyz", |status, _| status == 200).await;
    assert_eq!(body["ready"], true);
    assert_eq!(body["bundles"]["authz"]["revision"], "1");
    assert_eq!(body["bundles"]["authz"].get("error"), None);
    assert_eq!(get(folder, "/health?bundles").await.unwrap().0, 200);
    assert!(UnixStream::connect(folder.join("grpc")).await.is_ok());
    let policy = shows(folder, "/policy", |_, body| body["active"] == true).await;
    assert_eq!(policy["revision"], "1");
    assert_eq!(policy["bundles"]["authz"]["revision"], "1");
    let (_, metrics) = get(folder, "/metrics").await.unwrap();
    assert!(
        metrics.contains("bundle_loaded_counter{name=\"authz\"}"),
        "{metrics}"
    );

    // What goes wrong later is shown too, and nobody is sent away for it.
    server.set(PATH, Answer::status(500));
    let body = shows(folder, "/readyz", |_, body| {
        body["bundles"]["authz"]["error"].is_object()
    })
    .await;
    assert_eq!(body["ready"], true);
    let status = shows(folder, "/status", |_, body| {
        body["bundles"]["authz"]["http_code"] == 500
    })
    .await;
    assert_eq!(status["labels"]["region"], "here");
    assert!(!status["labels"]["id"].as_str().unwrap().is_empty());
    assert_eq!(status["labels"].as_object().unwrap().len(), 3);
    assert_eq!(status["bundles"]["authz"]["active_revision"], "1");
    stop.graceful();
    let stopped = soon(serving).await.unwrap();
    assert_eq!(stopped, Stopped::Drained);
}
