//! What Envoy makes of our failures, with `failOpen` false and true.

use crate::{Mesh, client::Caller, client::send};

const DENY: &str = "package envoy.authz\n\ndefault allow := false\n";

/// The status on the listener with `failOpen: true`.
async fn fail_open(mesh: &Mesh) -> u16 {
    let url = mesh.url(&Caller::Plaintext, "fail-open", "/");
    send(mesh.client(&Caller::Plaintext).get(url)).await.status().as_u16()
}

/// The status on the listener with `failOpen: false`.
async fn fail_closed(mesh: &Mesh) -> u16 {
    mesh.get(Caller::Plaintext, "/").await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gate_closes_or_opens_as_the_mesh_configured_it() {
    let mut mesh = Mesh::start(DENY).await;
    assert_eq!((fail_closed(&mesh).await, fail_open(&mesh).await), (403, 403));
    mesh.gate.kill().await;
    assert_eq!(fail_closed(&mesh).await, 503);
    assert_eq!(fail_open(&mesh).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_failure_of_a_check_opens_the_door_even_with_fail_open() {
    let conflict = "package envoy.authz\n\nallow := true if input.version\n\nallow := false if input.version\n";
    let undefined = "package envoy.authz\n\nallow if input.nothing\n";
    let malformed = "package envoy.authz\n\nallow := {\"allowed\": \"yes\"}\n";
    let injection = "package envoy.authz\n\nallow := {\"allowed\": false, \"headers\": {\"x\": \"a\\r\\nb: c\"}}\n";
    for policy in [conflict, undefined, malformed, injection] {
        let mesh = Mesh::start(policy).await;
        let statuses = (fail_closed(&mesh).await, fail_open(&mesh).await);
        assert_eq!(statuses, (403, 403), "{policy}");
        assert_eq!(mesh.upstream.requests(), 0);
        assert_eq!(mesh.envoy.stat("http.fail_open.ext_authz.failure_mode_allowed").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_used_up_answers_503_and_stays_closed() {
    let slow = r"package envoy.authz

default allow := false

allow if {
	some a in numbers.range(1, 2000)
	some b in numbers.range(1, 2000)
	a * b == 0
}
";
    let mesh = Mesh::start_with(slow, &["--set", "portcullis.budget=20ms"]).await;
    assert_eq!((fail_closed(&mesh).await, fail_open(&mesh).await), (503, 503));
    assert_eq!(mesh.upstream.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn error_response_lets_fail_open_decide_where_the_operator_asks_for_it() {
    let slow = r"package envoy.authz

default allow := false

allow if {
	some a in numbers.range(1, 2000)
	some b in numbers.range(1, 2000)
	a * b == 0
}
";
    let arguments = ["--set", "portcullis.budget=20ms", "--set", "portcullis.on_error=error_response"];
    let mesh = Mesh::start_with(slow, &arguments).await;
    assert_eq!((fail_closed(&mesh).await, fail_open(&mesh).await), (503, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_never_changes_traffic_and_logs_what_would_have_happened() {
    let dry_run = ["--set", "plugins.envoy_ext_authz_grpc.dry-run=true"];
    let mut mesh = Mesh::start_with(crate::http::POLICY, &dry_run).await;
    let answer = mesh.get(Caller::Workload("other"), "/orders").await;
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("x-denied-by"));
    let bad_path = mesh.get(Caller::Workload("sleep"), "/%zz").await;
    assert_eq!(bad_path.status(), 200);
    mesh.gate.wait_for(|line| line["would"] == "denied").await;
}
