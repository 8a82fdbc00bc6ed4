//! A TCP port and a policy that was not written for it.

use crate::{Mesh, client::Caller};

/// The status of an HTTP request over the opaque connection, which shows that it is open; `None`
/// when the connection is closed instead.
async fn status(mesh: &Mesh, caller: Caller<'_>, path: &str) -> Option<u16> {
    let url = mesh.url(&caller, "tcp", path);
    let answer = mesh.client(&caller).get(url).send().await;
    answer.ok().map(|answer| answer.status().as_u16())
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
