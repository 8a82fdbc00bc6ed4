//! CUSTOM on a TCP port: identity and destination are all a policy has.

use crate::{Mesh, client::Caller};

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if {
	not input.attributes.request
	input.source.spiffe.service_account == "sleep"
}
"#;

/// The status of an HTTP request over the opaque connection, which shows that it is open; `None`
/// when the connection is closed instead.
async fn status(mesh: &Mesh, caller: Caller<'_>, path: &str) -> Option<u16> {
    let url = mesh.url(&caller, "tcp", path);
    let answer = mesh.client(&caller).get(url).send().await;
    answer.ok().map(|answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tcp_connection_is_let_through_for_the_named_workload_only() {
    let mesh = Mesh::start(POLICY).await;
    assert_eq!(
        status(&mesh, Caller::Workload("sleep"), "/").await,
        Some(200)
    );
    assert_eq!(status(&mesh, Caller::Workload("other"), "/").await, None);
    assert_eq!(status(&mesh, Caller::Plaintext, "/").await, None);
    assert_eq!(mesh.upstream.requests(), 1);
    assert_eq!(mesh.envoy.stat("ext_authz.tcp..ok").await, 1);
    assert_eq!(mesh.envoy.stat("ext_authz.tcp..denied").await, 2);
    assert_eq!(mesh.envoy.stat("ext_authz.tcp..error").await, 0);
    // The same policy on an HTTP port: there is a request, so it says no.
    let http = mesh.get(Caller::Workload("sleep"), "/").await;
    assert_eq!(http.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_about_methods_denies_tcp_which_has_none() {
    let policy = r#"package envoy.authz

default allow := false

allow if input.attributes.request.http.method == "GET"
"#;
    let mesh = Mesh::start(policy).await;
    assert_eq!(status(&mesh, Caller::Workload("sleep"), "/").await, None);
    assert_eq!(mesh.upstream.requests(), 0);
    let http = mesh.get(Caller::Workload("sleep"), "/").await;
    assert_eq!(http.status(), 200);
}
