//! The comparison with OPA itself: it asks for a bundle as we do.
//!
//! `PORTCULLIS_OPA=/path/to/opa cargo test --test services -- --ignored`

use std::time::Duration;

use portcullis::services::{Client, Get};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::process::Command;

use crate::{
    bundles::{BundleServer, Seen, Version, archive},
    client, service,
};

/// What is to be the same.
fn asked(seen: &Seen) -> (&str, Option<&str>, Option<&str>, Option<&str>) {
    let header = |name| seen.header(name);
    (
        &seen.method,
        header("if-none-match"),
        header("prefer"),
        header("authorization"),
    )
}

#[tokio::test]
#[ignore = "needs PORTCULLIS_OPA"]
async fn a_bundle_is_asked_for_as_opa_does() {
    #[expect(
        clippy::disallowed_methods,
        reason = "only a test can be told where OPA is"
    )]
    let opa = std::env::var("PORTCULLIS_OPA").expect("PORTCULLIS_OPA names an opa binary");
    let server = BundleServer::start().await;
    let at = "/v1/bundles/authz";
    server.set(
        at,
        Version::new("1", archive(&[("a.rego", b"package a\nb := 1")])).held(),
    );
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "services": [{"name": "ours", "url": format!("{}/v1/", server.origin())}],
        "bundles": {"authz": {"service": "ours", "polling": {
            "min_delay_seconds": 1, "max_delay_seconds": 1, "long_polling_timeout_seconds": 1,
        }}},
    });
    let path = folder.path().join("opa.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    let child = Command::new(opa)
        .args(["run", "--server", "--addr", "127.0.0.1:0", "--config-file"])
        .arg(&path)
        .kill_on_drop(true)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let theirs = server.requests(at, 2).await;
    drop(child);

    let client: Client = client(service(&server));
    let mut headers = HeaderMap::new();
    let prefer = HeaderValue::from_static("modes=snapshot,delta;wait=1");
    headers.insert("prefer", prefer);
    for tag in [None, Some("\"1\"")] {
        if let Some(tag) = tag {
            headers.insert("if-none-match", HeaderValue::from_static(tag));
        }
        let get = Get {
            resource: "bundles/authz",
            headers: headers.clone(),
            wait: Duration::from_secs(1),
            most: 1 << 20,
        };
        client.get(get).await.unwrap();
    }
    let all = server.seen(at);
    let ours = &all[all.len() - 2..];
    for (theirs, ours) in theirs.iter().zip(ours) {
        assert_eq!(asked(theirs), asked(ours));
    }
}
