//! The decision log of a mixed run behind a real Envoy: each check has one record, with the id that
//! Envoy's access log has for it, and with the outcome that the caller saw.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    Mesh,
    client::{Caller, send},
    issuer::claims,
    policy::PolicyFolder,
};

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.parsed_path[0] in {"open", "shop.Open"}

allow if input.parsed_body.agreed == true

# A connection without a request.
allow if {
	not input.attributes.request
	input.source.spiffe.service_account == "sleep"
}

allow if {
	input.parsed_path[0] == "slow"
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	a * b == 0
}
"#;

/// What the caller of a path sees, and what the record of its check must say.
struct Case {
    path: &'static str,
    status: u16,
    outcome: &'static str,
    reason: &'static str,
}

const fn case(
    path: &'static str,
    status: u16,
    outcome: &'static str,
    reason: &'static str,
) -> Case {
    Case {
        path,
        status,
        outcome,
        reason,
    }
}

const CASES: [Case; 11] = [
    case("/open/get", 200, "allowed", "policy"),
    case("/closed/get", 403, "denied", "policy"),
    case("/open/plaintext", 200, "allowed", "policy"),
    case("/closed/plaintext", 403, "denied", "policy"),
    case("/open/token", 200, "allowed", "policy"),
    case("/open/expired", 401, "denied", "token"),
    case("/open/%zz", 400, "denied", "request"),
    case("/body/agreed", 200, "allowed", "policy"),
    case("/body/refused", 403, "denied", "policy"),
    case("/slow", 503, "error", "budget"),
    // Its status is in `grpc-status`.
    case("/shop.Closed/List", 200, "denied", "policy"),
];

/// Sends the request of a case.
async fn ask(mesh: &Mesh, case: &Case) -> u16 {
    let sleep = Caller::Workload("sleep");
    let caller = if case.path.ends_with("/plaintext") {
        Caller::Plaintext
    } else {
        sleep
    };
    if case.path.starts_with("/shop.") {
        let answer = mesh.grpc(caller, case.path).await;
        assert_eq!(answer.headers()["grpc-status"], "7");
        return answer.status().as_u16();
    }
    let url = mesh.url(&caller, "inbound", case.path);
    let client = mesh.client(&caller);
    let request = match case.path {
        "/body/agreed" => client.post(url).json(&json!({"agreed": true})),
        "/body/refused" => client.post(url).json(&json!({"agreed": false})),
        "/open/token" => client.get(url).bearer_auth(mesh.issuer.premium()),
        "/open/expired" => {
            let expired = claims(&json!({"exp": 1_000_000_000}));
            client
                .get(url)
                .bearer_auth(mesh.issuer.signer.token(&expired))
        }
        _ => client.get(url),
    };
    send(request).await.status().as_u16()
}

/// Two connections, of which the first is let through.
async fn connect_twice(mesh: &Mesh) {
    for (nth, workload) in [(1, "sleep"), (2, "other")] {
        let caller = Caller::Workload(workload);
        let request = mesh.client(&caller).get(mesh.url(&caller, "tcp", "/"));
        let answer = request.header("connection", "close").send().await;
        assert_eq!(answer.is_ok(), workload == "sleep");
        let tcp = |line: &Value| line["listener"] == "tcp";
        mesh.envoy.access.nth(nth, tcp).await;
    }
}

fn is_record(line: &Value) -> bool {
    line["msg"] == "Decision Log"
}

/// What a record says of its outcome.
fn outcome(record: &Value) -> (&str, &str) {
    let ours = &record["portcullis"];
    let text = |key: &str| ours[key].as_str().unwrap();
    (text("outcome"), text("reason"))
}

fn id(line: &Value) -> &str {
    line["decision_id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_has_one_record_with_envoys_id_and_the_callers_outcome() {
    let policy = PolicyFolder::with_file(POLICY);
    let configure = |issuer: &crate::issuer::Issuer| {
        let mut config = issuer.trusted(&json!({"on_invalid": "deny"}));
        config["decision_logs"] = json!({"console": true});
        config
    };
    let budget = [
        ["--set", "portcullis.budget=1s"],
        ["--set", "portcullis.limits.instructions=1000000000"],
    ];
    let mut mesh = Mesh::assemble(policy, configure, budget.as_flattened()).await;
    mesh.gate.keys_changed(1).await;
    for case in &CASES {
        assert_eq!(ask(&mesh, case).await, case.status, "{}", case.path);
    }
    connect_twice(&mesh).await;
    let checks = CASES.len() + 2;
    mesh.gate.log.nth(checks, is_record).await;
    mesh.gate.terminate().await;
    assert!(mesh.gate.ended().await.success());
    let lines = mesh.gate.log.all();
    let records: Vec<_> = lines.iter().filter(|line| is_record(line)).collect();
    assert_eq!(records.len(), checks, "as many records as checks");
    let records: BTreeMap<_, _> = records.into_iter().map(|line| (id(line), line)).collect();
    assert_eq!(records.len(), checks, "each with an id of its own");

    let access = mesh.envoy.access.all();
    let ids: BTreeSet<_> = access.iter().map(id).collect();
    assert_eq!(ids, records.keys().copied().collect(), "Envoy's ids");
    for case in &CASES {
        let line = access.iter().find(|line| line["path"] == case.path);
        let line = line.unwrap_or_else(|| panic!("Envoy has not seen {}", case.path));
        assert_eq!(line["status"], case.status, "{}", case.path);
        let record = records[id(line)];
        assert_eq!(outcome(record), (case.outcome, case.reason), "{record}");
        let http = &record["input"]["attributes"]["request"]["http"];
        assert_eq!(http["path"], case.path, "{record}");
        let answer = record.get("result").or_else(|| record.get("error"));
        assert!(answer.is_some(), "{record}");
        assert_eq!(record["path"], "envoy/authz/allow");
    }
    let tcp = access.iter().filter(|line| line["listener"] == "tcp");
    let tcp: Vec<_> = tcp.map(|line| outcome(records[id(line)])).collect();
    assert_eq!(tcp, [("allowed", "policy"), ("denied", "policy")]);
    // The process log knows them by the same ids.
    let told = lines
        .iter()
        .filter(|line| line["message"] == "check decided");
    assert_eq!(told.map(id).collect::<BTreeSet<_>>(), ids);
}
