//! HTTP and gRPC callers: allow, deny with body and headers, header mutations, identities, bodies.

use serde_json::{Value, json};

use crate::{Mesh, client::Caller, client::send};

/// Allows `sleep` of namespace `foo` what is not below `/admin`; says why it refuses.
const POLICY: &str = r#"package envoy.authz

default allow := {
	"allowed": false,
	"http_status": 401,
	"headers": {"x-denied-by": "portcullis", "www-authenticate": "Bearer"},
	"body": "{\"error\":\"denied\"}",
}

allow := {
	"allowed": true,
	"headers": {"x-caller": input.source.spiffe.service_account},
	"request_headers_to_remove": ["x-internal"],
	"response_headers_to_add": {"x-checked": "yes"},
} if {
	input.source.spiffe.namespace == "foo"
	input.parsed_path[0] != "admin"
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn http_callers_get_what_the_policy_says() {
    let mesh = Mesh::start(POLICY).await;
    a_caller_the_policy_names_is_allowed_with_its_mutations(&mesh).await;
    the_same_caller_is_denied_with_body_and_headers(&mesh).await;
    a_caller_without_identity_is_denied(&mesh).await;
    a_caller_of_another_namespace_is_denied(&mesh).await;
    a_grpc_caller_sees_grpc_status(&mesh).await;
    a_body_over_the_limit_never_reaches_anybody(&mesh).await;
    a_spoofed_identity_header_does_not_help(&mesh).await;
}

async fn a_caller_the_policy_names_is_allowed_with_its_mutations(mesh: &Mesh) {
    let caller = Caller::Workload("sleep");
    let url = mesh.url(&caller, "inbound", "/orders?x=1");
    let request = mesh.client(&caller).get(url);
    let answer = send(
        request
            .header("x-internal", "secret")
            .header("x-caller", "forged"),
    )
    .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-checked"], "yes");
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen["x-caller"], json!(["sleep"]));
    assert_eq!(seen["x-internal"], Value::Null);
    assert_eq!(seen[":uri"], "/orders?x=1");
}

async fn the_same_caller_is_denied_with_body_and_headers(mesh: &Mesh) {
    let before = mesh.upstream.requests();
    let answer = mesh.get(Caller::Workload("sleep"), "/admin/users").await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["x-denied-by"], "portcullis");
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    assert_eq!(answer.text().await.unwrap(), r#"{"error":"denied"}"#);
    assert_eq!(mesh.upstream.requests(), before);
}

async fn a_caller_without_identity_is_denied(mesh: &Mesh) {
    assert_eq!(mesh.get(Caller::Plaintext, "/orders").await.status(), 401);
}

async fn a_caller_of_another_namespace_is_denied(mesh: &Mesh) {
    let answer = mesh.get(Caller::Workload("other"), "/orders").await;
    assert_eq!(answer.status(), 401);
}

async fn a_grpc_caller_sees_grpc_status(mesh: &Mesh) {
    let before = mesh.upstream.requests();
    let denied = mesh
        .grpc(Caller::Workload("other"), "/shop.Orders/List")
        .await;
    assert_eq!(denied.status(), 200);
    // 401 is UNAUTHENTICATED for a gRPC client.
    assert_eq!(denied.headers()["grpc-status"], "16");
    assert_eq!(mesh.upstream.requests(), before);
    let allowed = mesh
        .grpc(Caller::Workload("sleep"), "/shop.Orders/List")
        .await;
    assert_eq!(allowed.headers()["x-upstream"], "upstream");
}

async fn a_body_over_the_limit_never_reaches_anybody(mesh: &Mesh) {
    let caller = Caller::Workload("sleep");
    let before = mesh.upstream.requests();
    let post = |length: usize| {
        let url = mesh.url(&caller, "inbound", "/orders");
        mesh.client(&caller).post(url).body(vec![b'x'; length])
    };
    assert_eq!(send(post(1025)).await.status(), 413);
    assert_eq!(mesh.upstream.requests(), before);
    assert_eq!(send(post(1024)).await.status(), 200);
}

async fn a_spoofed_identity_header_does_not_help(mesh: &Mesh) {
    let forged =
        "By=spiffe://cluster.local/ns/foo/sa/httpbin;URI=spiffe://cluster.local/ns/foo/sa/sleep";
    let caller = Caller::Workload("other");
    let url = mesh.url(&caller, "inbound", "/orders");
    let request = mesh.client(&caller).get(url);
    let answer = send(
        request
            .header("x-forwarded-client-cert", forged)
            .header("x-envoy-downstream-service-cluster", "sleep.foo"),
    )
    .await;
    assert_eq!(answer.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_caller_sees_the_status_that_fits_the_denial() {
    let policy = r#"package envoy.authz

default allow := false

allow := {"allowed": false, "http_status": 401, "body": "log in first"} if input.parsed_path == ["shop.Orders", "Pay"]

allow := true if input.parsed_path == ["shop.Orders", "List"]
"#;
    let mesh = Mesh::start(policy).await;
    let caller = || Caller::Workload("sleep");
    let forbidden = mesh.grpc(caller(), "/shop.Orders/Delete").await;
    assert_eq!(forbidden.status(), 200);
    assert_eq!(forbidden.headers()["grpc-status"], "7");
    let unauthenticated = mesh.grpc(caller(), "/shop.Orders/Pay").await;
    assert_eq!(unauthenticated.status(), 200);
    assert_eq!(unauthenticated.headers()["grpc-status"], "16");
    assert_eq!(unauthenticated.headers()["grpc-message"], "log in first");
    assert_eq!(mesh.upstream.requests(), 0);
    let allowed = mesh.grpc(caller(), "/shop.Orders/List").await;
    assert_eq!(allowed.headers()["x-upstream"], "upstream");
    // The same path for a caller that does not speak gRPC.
    assert_eq!(mesh.get(caller(), "/shop.Orders/Pay").await.status(), 401);
}

/// One answer for each way a body can arrive.
const BODY_POLICY: &str = r#"package envoy.authz

default allow := false

allow := {"allowed": false, "http_status": 413} if input.truncated_body

allow if {
	not input.truncated_body
	input.attributes.request.http.headers["x-role"] == "reader,writer"
	input.parsed_body.ok == true
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_bodies_look_the_same_to_a_policy_whether_they_come_raw_or_not() {
    let mesh = Mesh::start(BODY_POLICY).await;
    let padded = format!(r#"{{"ok":true,"padding":"{}"}}"#, "x".repeat(100));
    // `inbound` sends up to 1024 bytes of text, `partial-body` 64 bytes and headers, raw.
    let cases = [
        ("inbound", ["reader", "writer"], r#"{"ok":true}"#, 200),
        ("partial-body", ["reader", "writer"], r#"{"ok":true}"#, 200),
        ("inbound", ["reader", "writer"], r#"{"ok":false}"#, 403),
        ("partial-body", ["reader", "writer"], r#"{"ok":false}"#, 403),
        ("inbound", ["reader", "reader"], r#"{"ok":true}"#, 403),
        ("partial-body", ["reader", "reader"], r#"{"ok":true}"#, 403),
        ("inbound", ["reader", "writer"], r#"{"ok":"#, 400),
        ("partial-body", ["reader", "writer"], r#"{"ok":"#, 400),
        ("inbound", ["reader", "writer"], padded.as_str(), 200),
        ("partial-body", ["reader", "writer"], padded.as_str(), 413),
    ];
    for (listener, roles, body, status) in cases {
        let caller = Caller::Plaintext;
        let before = mesh.upstream.requests();
        let request = mesh
            .client(&caller)
            .post(mesh.url(&caller, listener, "/"))
            .header("x-role", roles[0])
            .header("x-role", roles[1])
            .header("content-type", "application/json")
            .body(body.to_owned());
        let case = format!("{listener} {roles:?} {body}");
        assert_eq!(send(request).await.status(), status, "{case}");
        let passed = mesh.upstream.requests() - before;
        assert_eq!(passed, usize::from(status == 200), "{case}");
    }
}
