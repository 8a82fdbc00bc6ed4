//! The decision id: one value in Envoy's dynamic metadata, in our log and, where the operator wants
//! it, in a response header.

use crate::{Mesh, client::Caller};

const POLICY: &str = r#"package envoy.authz

allow := {"allowed": true, "dynamic_metadata": {"team": "shop"}} if input.parsed_path[0] == "open"

allow := {"allowed": false, "dynamic_metadata": {"team": "shop"}} if input.parsed_path[0] == "closed"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn envoy_our_log_and_the_caller_know_a_decision_by_the_same_id() {
    let arguments = [
        ["--set", "portcullis.log.level=debug"],
        ["--set", "portcullis.decision_id_header=x-decision-id"],
    ];
    let mesh = Mesh::start_with(POLICY, arguments.as_flattened()).await;
    let mut ids = Vec::new();
    let cases = [
        ("/open", 200, "allowed", "policy", "shop"),
        ("/closed", 403, "denied", "policy", "shop"),
        ("/neither", 403, "denied", "undefined", "null"),
    ];
    for (path, status, outcome, reason, team) in cases {
        let answer = mesh.get(Caller::Workload("sleep"), path).await;
        assert_eq!(answer.status(), status, "{path}");
        let id = answer.headers()["x-decision-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let logged = mesh.gate.decided(path, 1).await;
        assert_eq!(logged["decision_id"], *id, "{path}");
        assert_eq!(logged["outcome"], outcome, "{path}");
        assert_eq!(logged["reason"], reason, "{path}");
        let access = mesh.envoy.access.first(|line| line["path"] == path).await;
        assert_eq!(access["decision_id"], *id, "{path}");
        assert_eq!(access["status"], status, "{path}");
        assert_eq!(access["team"].as_str().unwrap_or("null"), team, "{path}");
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(
        ids.len(),
        cases.len(),
        "every decision has an id of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tcp_decision_has_an_id_in_envoys_metadata_too() {
    let policy = "package envoy.authz\n\ndefault allow := false\n\nallow if input.source.spiffe.service_account == \"sleep\"\n";
    let mesh = Mesh::start_with(policy, &["--set", "portcullis.log.level=debug"]).await;
    for (nth, workload) in [(1, "sleep"), (2, "other")] {
        let caller = Caller::Workload(workload);
        let request = mesh.client(&caller).get(mesh.url(&caller, "tcp", "/"));
        let let_through = match request.header("connection", "close").send().await {
            Ok(answer) => answer.status() == 200,
            Err(_) => false,
        };
        assert_eq!(let_through, workload == "sleep");
        let logged = mesh
            .gate
            .log
            .nth(nth, |line| line["message"] == "check decided")
            .await;
        let access = mesh
            .envoy
            .access
            .nth(nth, |line| line["listener"] == "tcp")
            .await;
        assert_eq!(logged["decision_id"], access["decision_id"], "{workload}");
        assert!(logged["decision_id"].is_string());
    }
}
