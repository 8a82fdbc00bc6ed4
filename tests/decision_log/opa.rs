//! The comparison with OPA itself: it posts its decision log as we do.
//!
//! `PORTCULLIS_OPA=/path/to/opa cargo test --test decision_log -- --ignored`

use std::time::Duration;

use reqwest::Client;
use serde_json::json;
use tokio::process::Command;

use crate::{
    logs::{LogServer, Upload},
    service::{Offered, options},
};

/// What is to be the same, besides that the body is a JSON array of records under gzip.
fn envelope(upload: &Upload) -> (&str, [Option<&str>; 4]) {
    let headers = [
        "content-type",
        "content-encoding",
        "authorization",
        "x-tenant",
    ];
    assert_ne!(upload.records().len(), 0);
    (&upload.path, headers.map(|name| upload.header(name)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PORTCULLIS_OPA"]
async fn records_are_posted_as_opa_posts_them() {
    #[expect(
        clippy::disallowed_methods,
        reason = "only a test can be told where OPA is"
    )]
    let opa = std::env::var("PORTCULLIS_OPA").expect("PORTCULLIS_OPA names an opa binary");
    let (theirs, ours) = (LogServer::start().await, LogServer::start().await);
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "services": {"logs": {
            "url": format!("{}/v1", theirs.origin()),
            "headers": {"x-tenant": "shop"},
            "credentials": {"bearer": {"token": "t0ken"}},
        }},
        "decision_logs": {
            "service": "logs",
            "resource": "/decisions",
            "reporting": {"min_delay_seconds": 1, "max_delay_seconds": 1},
        },
    });
    let path = folder.path().join("opa.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let socket = folder.path().join("opa.sock");
    let _opa = Command::new(opa)
        .args(["run", "--server", "--config-file"])
        .arg(&path)
        .arg("--addr")
        .arg(format!("unix://{}", socket.display()))
        .kill_on_drop(true)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let client = Client::builder()
        .unix_socket(socket)
        .no_proxy()
        .build()
        .unwrap();
    // It answers once it is up.
    let asked = async { while client.get("http://opa/v1/data").send().await.is_err() {} };
    tokio::time::timeout(Duration::from_mins(1), asked)
        .await
        .unwrap();
    theirs.until_taken(1).await;

    let mut offered = Offered::start(&options(&ours));
    offered.offer(1);
    offered.finish(Duration::from_mins(1));
    assert_eq!(envelope(&ours.seen()[0]), envelope(&theirs.seen()[0]));
}
