//! OPA itself pulls what we push, and sends a registry the credentials that we send.
//!
//! `PORTCULLIS_OPA=/path/to/opa cargo test --test registry -- --ignored`

use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    PATIENCE, archive, bearer,
    commands::push,
    from_registry,
    server::{Guard, Registry, basic},
    service,
};

/// OPA with one bundle from `registry`, and a line for all that it logs.
fn opa(registry: &Registry, folder: &TempDir, credentials: &Value) -> Child {
    let config = json!({
        "services": {"registry": {
            "url": registry.origin(),
            "type": "oci",
            "credentials": credentials,
        }},
        "bundles": {"authz": {
            "service": "registry",
            "resource": registry.reference("v1"),
            "polling": {"min_delay_seconds": 1, "max_delay_seconds": 1},
        }},
        "persistence_directory": folder.path(),
    });
    let path = folder.path().join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "only a test can be told where OPA is"
    )]
    let opa = std::env::var("PORTCULLIS_OPA").expect("PORTCULLIS_OPA names an opa binary");
    Command::new(opa)
        .args([
            "run",
            "--server",
            "--addr",
            "localhost:0",
            "--log-level",
            "debug",
        ])
        .arg("--config-file")
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// What OPA logs until a line with one of `wanted`.
async fn log_until(opa: &mut Child, wanted: &[&str]) -> String {
    let mut lines = BufReader::new(opa.stderr.take().unwrap()).lines();
    let mut log = String::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            log.push_str(&line);
            if wanted.iter().any(|wanted| line.contains(wanted)) {
                return;
            }
            log.push('\n');
        }
    };
    let ended = tokio::time::timeout(PATIENCE, reading).await;
    assert!(ended.is_ok(), "{log}");
    log
}

const GOOD: &str = "Bundle loaded and activated successfully";
const BAD: &str = "Bundle load failed";

#[tokio::test]
#[ignore = "needs PORTCULLIS_OPA"]
async fn opa_activates_what_portcullis_pushes() {
    let registry = Registry::start().await;
    push(&registry.reference("v1")).await;
    let folder = TempDir::new().unwrap();
    let mut opa = opa(&registry, &folder, &json!({}));
    let log = log_until(&mut opa, &[GOOD, BAD]).await;
    assert!(log.contains(GOOD), "{log}");
}

#[tokio::test]
#[ignore = "needs PORTCULLIS_OPA"]
async fn opa_and_portcullis_say_the_same_of_who_they_are() {
    let cases = [("Basic", "gate:secret"), ("Bearer", "secret")];
    for (scheme, token) in cases {
        let registry = Registry::start().await;
        push(&registry.reference("v1")).await;
        registry.seen();
        // Nobody is let in, so that each says all that it has to say.
        registry.guard(Guard::Header("nobody".to_owned()));
        let folder = TempDir::new().unwrap();
        let credentials = json!({"bearer": {"scheme": scheme, "token": token}});
        let mut opa = opa(&registry, &folder, &credentials);
        log_until(&mut opa, &[GOOD, BAD]).await;
        drop(opa);
        let theirs = registry.seen()[0]
            .header("authorization")
            .map(str::to_owned);
        let service = service(&registry.origin(), bearer(scheme, token));
        let mut downloader = from_registry(service, registry.reference("v1"));
        crate::ask(&mut downloader, None).await.unwrap_err();
        let ours = registry.seen()[0]
            .header("authorization")
            .map(str::to_owned);
        assert_eq!(ours, theirs);
    }
}

#[tokio::test]
#[ignore = "needs PORTCULLIS_OPA"]
async fn opa_exchanges_credentials_for_the_same_token() {
    let registry = Registry::start().await;
    push(&registry.reference("v1")).await;
    registry.guard(Guard::Token {
        header: Some(basic("gate", "secret")),
        realm: None,
    });
    let folder = TempDir::new().unwrap();
    let credentials = json!({"bearer": {"scheme": "Basic", "token": "gate:secret"}});
    let mut opa = opa(&registry, &folder, &credentials);
    let log = log_until(&mut opa, &[GOOD, BAD]).await;
    assert!(log.contains(GOOD), "{log}");
    let service = service(&registry.origin(), bearer("Basic", "gate:secret"));
    archive(&mut from_registry(service, registry.reference("v1")), None).await;
}
