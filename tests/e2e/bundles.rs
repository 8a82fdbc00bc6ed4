//! Policies from a bundle server, exchanged while traffic flows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    Mesh,
    bundle_server::{BundleServer, Version, archive},
    load::{DECISION_ID, Load},
    policy::PolicyFolder,
    reload::activated,
};

const PATH: &str = "/bundles/authz";

/// A bundle whose policy allows only what its data of the same number confirms.
fn bundle(version: usize) -> Version {
    let manifest = json!({"revision": format!("r{version}"), "roots": ["envoy", "release"]});
    let rego = format!(
        r#"package envoy.authz

default allow := false

allow := {{"allowed": true, "response_headers_to_add": {{"x-policy": "{version}", "x-data": data.release.number}}}} if {{
	data.release.number == "{version}"
}}
"#
    );
    let data = json!({"release": {"number": version.to_string()}});
    let archive = archive(&[
        (".manifest", manifest.to_string().as_bytes()),
        ("policy.rego", rego.as_bytes()),
        ("data.json", data.to_string().as_bytes()),
    ]);
    Version::new(&version.to_string(), archive).held()
}

fn configuration(server: &BundleServer) -> Value {
    json!({
        "services": {"authors": {"url": server.origin()}},
        "bundles": {"authz": {
            "service": "authors",
            "resource": PATH.trim_start_matches('/'),
            "polling": {"long_polling_timeout_seconds": 30},
        }},
        "portcullis": {"decision_id_header": DECISION_ID},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_swaps_under_load_fail_no_check_and_each_names_one_revision() {
    let server = BundleServer::start().await;
    server.set(PATH, bundle(0));
    let mesh = Mesh::assemble(
        PolicyFolder::none(),
        |_| configuration(&server),
        &["--log-level", "debug"],
    )
    .await;
    let load = Load::on(&mesh);
    for swap in 1..=200 {
        server.set(PATH, bundle(swap));
        mesh.gate.log.nth(swap + 1, activated).await;
    }
    let answers = load.end().await;
    assert!(answers.iter().any(|answer| answer.version == 0));
    assert_eq!(mesh.upstream.requests(), answers.len());

    let decided = |line: &Value| line["message"] == "check decided";
    mesh.gate.log.nth(answers.len(), decided).await;
    let mut revisions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in mesh.gate.log.all() {
        if decided(&line) {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            let of_check = revisions.entry(text("decision_id")).or_default();
            of_check.push(text("policy.revision"));
        }
    }
    for answer in &answers {
        let of_check = &revisions[answer.decision_id.as_deref().unwrap()];
        assert_eq!(of_check, &[format!("r{}", answer.version)]);
    }
}
