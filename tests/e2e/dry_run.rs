//! `dry-run: true`: traffic goes on as if nobody asked, and the log says what would have happened.

use serde_json::Value;

use crate::{Mesh, client::Caller, client::send};

const POLICY: &str = r#"package envoy.authz

allow := {
	"allowed": true,
	"headers": {"x-role": "admin"},
	"request_headers_to_remove": ["x-other"],
	"response_headers_to_add": {"x-checked": "yes"},
	"query_parameters_to_set": {"x": "2"},
} if {
	input.parsed_path[0] == "open"
}

allow := {"allowed": false, "http_status": 401, "headers": {"x-denied": "yes"}} if {
	input.parsed_path[0] == "closed"
}

allow := true if input.parsed_path[0] == "conflict"

allow := false if input.parsed_path[0] == "conflict"

allow if {
	input.parsed_path[0] == "slow"
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	a * b == 0
}
"#;

/// Path, its status without dry-run, what would have happened and why.
const CASES: [(&str, u16, &str, &str); 6] = [
    ("/open", 200, "allowed", "policy"),
    ("/closed", 401, "denied", "policy"),
    ("/conflict", 403, "denied", "conflict"),
    ("/undefined", 403, "denied", "undefined"),
    ("/open/%zz", 400, "denied", "request"),
    ("/slow", 503, "error", "budget"),
];

const ARGUMENTS: [&str; 6] = [
    "--set",
    "portcullis.budget=1s",
    "--set",
    "portcullis.limits.instructions=1000000000",
    "--set",
    "portcullis.log.level=debug",
];

async fn call(mesh: &Mesh, path: &str) -> reqwest::Response {
    let caller = Caller::Plaintext;
    let url = mesh.url(&caller, "inbound", &format!("{path}?x=1"));
    send(mesh.client(&caller).get(url).header("x-other", "theirs")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_never_changes_traffic_and_logs_what_would_have_happened() {
    let dry_run = ["--set", "plugins.envoy_ext_authz_grpc.dry-run=true"];
    let mesh = Mesh::start_with(POLICY, &[ARGUMENTS.as_slice(), &dry_run].concat()).await;
    for (path, _, would, reason) in CASES {
        let answer = call(&mesh, path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert!(!answer.headers().contains_key("x-checked"), "{path}");
        assert!(!answer.headers().contains_key("x-denied"), "{path}");
        let seen: Value = answer.json().await.unwrap();
        assert_eq!(seen[":uri"], format!("{path}?x=1"));
        assert_eq!(seen["x-role"], Value::Null, "{path}");
        assert_eq!(seen["x-other"][0], "theirs", "{path}");
        let line = mesh.gate.decided(path, 1).await;
        assert_eq!(line["outcome"], "allowed", "{path}");
        assert_eq!(line["would"], would, "{path}");
        assert_eq!(line["reason"], reason, "{path}");
    }
    let body = "x".repeat(100);
    let tcp = mesh.url(&Caller::Plaintext, "tcp", "/closed");
    let answer = send(mesh.client(&Caller::Plaintext).post(tcp).body(body)).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_dry_run_the_same_requests_are_answered_as_the_log_of_a_dry_run_says() {
    let mesh = Mesh::start_with(POLICY, &ARGUMENTS).await;
    for (path, status, outcome, reason) in CASES {
        assert_eq!(call(&mesh, path).await.status(), status, "{path}");
        let line = mesh.gate.decided(path, 1).await;
        assert_eq!(line["outcome"], outcome, "{path}");
        assert_eq!(line["would"], Value::Null, "{path}");
        assert_eq!(line["reason"], reason, "{path}");
    }
    assert_eq!(mesh.upstream.requests(), 1);
    let tcp = mesh.url(&Caller::Plaintext, "tcp", "/closed");
    let request = mesh.client(&Caller::Plaintext).get(tcp);
    request.send().await.unwrap_err();
}
