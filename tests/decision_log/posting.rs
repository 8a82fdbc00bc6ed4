//! A whole gate that posts its decision log: every check once, also when the service was away and the
//! gate was started again, and the service's token nowhere but there.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{gate::Gate, logs::LogServer, requests};

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.parsed_path[0] == "open"
"#;
const TOKEN: &str = "s3rvice-t0ken-of-the-test";

fn config(server: &LogServer) -> Value {
    json!({
        "services": {"logs": {
            "url": server.origin(),
            "credentials": {"bearer": {"token": TOKEN}},
        }},
        "decision_logs": {
            "service": "logs",
            "partition_name": "edge",
            "reporting": {"min_delay_seconds": 0, "max_delay_seconds": 0},
        },
    })
}

fn twins() -> [(Bytes, i32); 2] {
    [("/open", 0), ("/closed", 7)].map(|(path, code)| (Bytes::from(requests::path(path)), code))
}

fn ids(server: &LogServer) -> BTreeSet<String> {
    let id = |record: &Value| record["decision_id"].as_str().unwrap().to_owned();
    server.records().iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_is_posted_once_and_the_token_is_shown_to_the_service_alone() {
    let server = LogServer::start().await;
    let mut gate = Gate::start(POLICY, &config(&server)).await;
    gate.checks(&twins(), 400).await;
    server.until_taken(400).await;
    let shown = gate.get("/config").await + &gate.get("/metrics").await;
    assert!(gate.stop().success());
    let records = server.records();
    assert_eq!((records.len(), ids(&server).len()), (400, 400));
    let allowed = records.iter().filter(|record| record["result"] == true);
    assert_eq!(allowed.count(), 200);
    for upload in server.seen() {
        assert_eq!(upload.path, "/logs/edge");
        let sent = upload.header("authorization").unwrap();
        assert_eq!(sent, format!("Bearer {TOKEN}"));
        assert!(!format!("{:?}", upload.records()).contains(TOKEN));
    }
    assert!(!shown.contains(TOKEN) && !gate.stderr().text().contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_gate_could_not_post_the_next_one_does() {
    let (server, folder) = (LogServer::start().await, tempfile::tempdir().unwrap());
    let mut config = config(&server);
    config["portcullis"]["decision_logs"]["spill"] = json!({"directory": folder.path()});
    server.leave();
    let mut first = Gate::start(POLICY, &config).await;
    first.checks(&twins(), 300).await;
    assert!(first.stop().success());
    server.come_back().await;
    let mut second = Gate::start(POLICY, &config).await;
    server.until_taken(300).await;
    second.checks(&twins(), 100).await;
    server.until_taken(400).await;
    let service = ["sink=\"service\""];
    let all_sent = async |gate: &Gate| {
        let sent = gate.sum("decision_log_sent_total", &service).await;
        (sent == 400).then_some(())
    };
    second.until("everything is acknowledged", all_sent).await;
    assert_eq!(second.sum("decision_log_decisions_total", &[]).await, 100);
    assert_eq!(second.sum("decision_log_replayed_total", &[]).await, 300);
    assert_eq!(second.sum("decision_log_dropped_total", &[]).await, 0);
    assert_eq!((server.records().len(), ids(&server).len()), (400, 400));
    assert!(second.stop().success());
}
