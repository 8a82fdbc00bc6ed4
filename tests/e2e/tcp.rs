//! CUSTOM on a TCP port: identity and destination are all a policy has.

use std::time::Duration;

use crate::{Mesh, client::Caller, client::send};

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if {
	not input.attributes.request
	input.source.spiffe.service_account == "sleep"
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_tcp_connection_is_let_through_for_the_named_workload_only() {
    let mesh = Mesh::start(POLICY).await;
    // The upstream speaks HTTP, so an HTTP request over the opaque connection shows that it is open.
    let call = async |caller: Caller<'_>| {
        let url = mesh.url(&caller, "tcp", "/");
        let request = mesh.client(&caller).get(url).timeout(Duration::from_secs(10));
        request.send().await
    };
    assert_eq!(call(Caller::Workload("sleep")).await.unwrap().status(), 200);
    let before = mesh.upstream.requests();
    call(Caller::Workload("other")).await.unwrap_err();
    call(Caller::Plaintext).await.unwrap_err();
    assert_eq!(mesh.upstream.requests(), before);
    assert_eq!(mesh.envoy.stat("ext_authz.tcp..denied").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_policy_that_knows_no_tcp_denies_tcp() {
    let mesh = Mesh::start(crate::http::POLICY).await;
    let caller = Caller::Workload("sleep");
    let url = mesh.url(&caller, "tcp", "/orders");
    mesh.client(&caller).get(url).send().await.unwrap_err();
    let url = mesh.url(&caller, "inbound", "/orders");
    assert_eq!(send(mesh.client(&caller).get(url)).await.status(), 200);
}
