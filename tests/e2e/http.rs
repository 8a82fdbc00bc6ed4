//! Headers and bodies, raw or not. What callers are answered is in `tests/mesh`.

use crate::{Mesh, client::Caller, client::send};

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
