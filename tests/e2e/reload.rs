//! Policy files that change while traffic flows. `ConfigMap`s are in `tests/mesh`.

use serde_json::Value;

use crate::{Mesh, client::Caller, load::Load};

/// Allows what is not below `/{denied}` and tells its version.
fn policy(version: usize, denied: &str) -> String {
    format!(
        r#"package envoy.authz

default allow := false

allow := {{"allowed": true, "response_headers_to_add": {{"x-policy": "{version}", "x-data": "{version}"}}}} if {{
	input.parsed_path[0] != "{denied}"
}}
"#
    )
}

pub(crate) fn activated(line: &Value) -> bool {
    line["message"] == "policy activated"
}

/// The version that answers, and that what is denied stays denied.
async fn version(mesh: &Mesh) -> String {
    assert_eq!(
        mesh.get(Caller::Workload("sleep"), "/closed")
            .await
            .status(),
        403
    );
    let open = mesh.get(Caller::Workload("sleep"), "/open").await;
    assert_eq!(open.status(), 200);
    open.headers()["x-policy"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_swaps_under_load_fail_no_request() {
    let mesh = Mesh::start(&policy(0, "closed")).await;
    let load = Load::on(&mesh);
    for swap in 1..=20 {
        mesh.policy.replace(&policy(swap, "closed"));
        mesh.gate.log.nth(swap + 1, activated).await;
    }
    assert_eq!(version(&mesh).await, "20");
    let answered = load.end().await.len();
    assert_eq!(mesh.upstream.requests(), answered + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_change_keeps_the_last_good_policy_and_says_so() {
    let mesh = Mesh::start(&policy(1, "closed")).await;
    let load = Load::on(&mesh);
    mesh.policy.replace("package envoy.authz\n\nallow := {{{");
    let rejected = mesh
        .gate
        .log
        .first(|line| line["message"] == "policy rejected")
        .await;
    let error = rejected["error"].as_str().unwrap();
    assert!(error.contains("policy.rego:3"), "{error}");
    assert_eq!(version(&mesh).await, "1");
    load.end().await;
    mesh.policy.replace(&policy(2, "open"));
    mesh.gate.log.nth(2, activated).await;
    assert_eq!(
        mesh.get(Caller::Workload("sleep"), "/open").await.status(),
        403
    );
    let other = mesh.get(Caller::Workload("sleep"), "/closed").await;
    assert_eq!(other.status(), 200);
}
