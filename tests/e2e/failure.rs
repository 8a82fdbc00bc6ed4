//! What becomes of our failures behind a real Envoy, with `failOpen` false and true.

use crate::{Mesh, client::Caller, client::send};

/// Fails in another way for each path; `open` and `closed` are the twins that do not fail.
const POLICY: &str = r#"package envoy.authz

at(path) if input.parsed_path[0] == path

allow := true if at("open")

allow := false if at("closed")

allow := true if at("conflict")

allow := false if at("conflict")

allow := input.nothing if at("undefined")

allow := "yes" if at("text")

allow := {"allowed": "yes"} if at("text-in-object")

allow := {"allowed": true, "http_status": 200, "headers": {"x-echo": ["a", 1]}} if at("number-as-header")

allow := {"allowed": true, "headers": {"x-echo": input.parsed_query.x[0]}} if at("inject-up")

allow := {"allowed": true, "response_headers_to_add": {"x-echo": input.parsed_query.x[0]}} if at("inject-back")

allow := {"allowed": false, "headers": {"x-echo": input.parsed_query.x[0]}} if at("inject-denied")

allow := {"allowed": false, "http_status": 100} if at("informational")

allow := to_number("x") == 1 if at("evaluation")

allow if {
	at("slow")
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	a * b == 0
}
"#;

/// Path, status and reason of every failure that is not about time.
const DENIALS: &[(&str, u16, &str)] = &[
    ("/conflict", 403, "conflict"),
    ("/undefined", 403, "undefined"),
    ("/no-rule-at-all", 403, "undefined"),
    ("/text", 403, "malformed_decision"),
    ("/text-in-object", 403, "malformed_decision"),
    ("/number-as-header", 403, "malformed_decision"),
    (
        "/inject-up?x=a%0D%0Ax-role:%20admin",
        403,
        "malformed_decision",
    ),
    (
        "/inject-back?x=a%0D%0Ax-role:%20admin",
        403,
        "malformed_decision",
    ),
    (
        "/inject-denied?x=a%0D%0Ax-role:%20admin",
        403,
        "malformed_decision",
    ),
    ("/inject-denied?x=a%00", 403, "malformed_decision"),
    ("/informational", 403, "malformed_decision"),
    ("/evaluation", 403, "evaluation"),
    ("/open/%zz", 400, "request"),
];

const SHORT_BUDGET: [&str; 6] = [
    "--set",
    "portcullis.budget=1s",
    "--set",
    "portcullis.limits.instructions=1000000000",
    "--set",
    "portcullis.strict_builtin_errors=true",
];

/// The status on the listener with `failOpen: true`.
async fn fail_open(mesh: &Mesh, path: &str) -> u16 {
    let url = mesh.url(&Caller::Plaintext, "fail-open", path);
    let answer = send(mesh.client(&Caller::Plaintext).get(url)).await;
    assert!(!answer.headers().contains_key("x-role"), "{path}");
    answer.status().as_u16()
}

/// The status on the listener with `failOpen: false`.
async fn fail_closed(mesh: &Mesh, path: &str) -> u16 {
    let answer = mesh.get(Caller::Plaintext, path).await;
    assert!(!answer.headers().contains_key("x-role"), "{path}");
    answer.status().as_u16()
}

/// Both, in this order.
async fn statuses(mesh: &Mesh, path: &str) -> (u16, u16) {
    (fail_closed(mesh, path).await, fail_open(mesh, path).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_failure_of_a_check_opens_the_door_even_with_fail_open() {
    let mesh = Mesh::start_with(POLICY, &SHORT_BUDGET).await;
    let budget = ("/slow", 503, "budget");
    for (path, status, reason) in DENIALS.iter().copied().chain([budget]) {
        let before = mesh
            .gate
            .log
            .count(|line| line["message"] == "check decided");
        assert_eq!(statuses(&mesh, path).await, (status, status), "{path}");
        for nth in 1..=2 {
            let decided = |line: &serde_json::Value| line["message"] == "check decided";
            let line = mesh.gate.log.nth(before + nth, decided).await;
            assert_eq!(line["reason"], reason, "{path}");
        }
        assert_eq!(mesh.upstream.requests(), 0, "{path}");
    }
    let failed_open = mesh
        .envoy
        .stat("http.fail_open.ext_authz.failure_mode_allowed");
    assert_eq!(failed_open.await, 0);
    assert_eq!(statuses(&mesh, "/open").await, (200, 200));
    assert_eq!(mesh.upstream.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_open_decides_about_errors_where_the_operator_asks_for_it_and_never_about_denials() {
    for on_error in ["error_response", "grpc_error"] {
        let choice = format!("portcullis.on_error={on_error}");
        let arguments = [SHORT_BUDGET.as_slice(), &["--set", &choice]].concat();
        let mesh = Mesh::start_with(POLICY, &arguments).await;
        assert_eq!(statuses(&mesh, "/slow").await, (503, 200), "{on_error}");
        assert_eq!(mesh.upstream.requests(), 1, "{on_error}");
        for (path, status, _) in DENIALS.iter().copied() {
            let expected = (status, status);
            assert_eq!(statuses(&mesh, path).await, expected, "{on_error} {path}");
        }
        assert_eq!(mesh.upstream.requests(), 1, "{on_error}");
        assert_eq!(statuses(&mesh, "/open").await, (200, 200), "{on_error}");
        assert_eq!(statuses(&mesh, "/closed").await, (403, 403), "{on_error}");
    }
}
