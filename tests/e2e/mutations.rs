//! What a policy changes on a request and on its response, as the upstream and the caller see it.

use serde_json::{Value, json};

use crate::{Mesh, client::Caller, client::send};

const POLICY: &str = r#"package envoy.authz

default allow := {"allowed": false, "headers": {"set-cookie": ["a=1", "b=2"]}}

allow := {
	"allowed": true,
	"headers": {
		"x-added": "ours",
		"x-overwritten": "ours",
		"x-list": ["1", "2"],
		"x-appended": {"value": "ours", "append_action": "APPEND_IF_EXISTS_OR_ADD"},
	},
	"request_headers_to_remove": ["x-removed"],
	"response_headers_to_add": {
		"x-added": "ours",
		"set-cookie": ["a=1", "b=2"],
		"x-overwritten": {"value": "ours", "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
		"x-appended": {"value": "ours", "append_action": "APPEND_IF_EXISTS_OR_ADD"},
		"x-kept": {"value": "ours", "append_action": "ADD_IF_ABSENT"},
		"x-absent": {"value": "ours", "append_action": "OVERWRITE_IF_EXISTS"},
	},
	"query_parameters_to_set": {"tenant": "a b&c=d", "page": "1"},
	"query_parameters_to_remove": ["debug"],
} if {
	input.parsed_path[0] == "orders"
}

allow := {"allowed": true, "headers": {":path": "/new?y=2"}} if input.parsed_path[0] == "old"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_allow_changes_exactly_what_the_policy_names() {
    let mesh = Mesh::start(POLICY).await;
    let caller = Caller::Workload("sleep");
    let url = mesh.url(&caller, "inbound", "/orders?debug=1&page=9&x=1");
    let mut request = mesh.client(&caller).get(url);
    for name in [
        "x-overwritten",
        "x-list",
        "x-appended",
        "x-removed",
        "x-other",
    ] {
        request = request.header(name, "theirs");
    }
    let answer = send(request).await;
    assert_eq!(answer.status(), 200);
    let header = |name: &str| -> Vec<_> {
        let values = answer.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    };
    assert_eq!(header("x-added"), ["ours"]);
    assert_eq!(header("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(header("x-overwritten"), ["ours"]);
    assert_eq!(header("x-appended"), ["upstream", "ours"]);
    assert_eq!(header("x-kept"), ["upstream"]);
    assert_eq!(header("x-absent"), [""; 0]);
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen["x-added"], json!(["ours"]));
    assert_eq!(seen["x-overwritten"], json!(["ours"]));
    assert_eq!(seen["x-list"], json!(["1,2"]));
    assert_eq!(seen["x-appended"], json!(["theirs,ours"]));
    assert_eq!(seen["x-removed"], Value::Null);
    assert_eq!(seen["x-other"], json!(["theirs"]));
    let (path, query) = seen[":uri"].as_str().unwrap().split_once('?').unwrap();
    let mut query: Vec<_> = query.split('&').collect();
    query.sort_unstable();
    assert_eq!(path, "/orders");
    assert_eq!(query, ["page=1", "tenant=a%20b%26c%3Dd", "x=1"]);

    the_path_is_rewritten(&mesh).await;
    a_denial_reaches_the_caller_with_every_value_and_changes_nothing_upstream(&mesh).await;
}

async fn the_path_is_rewritten(mesh: &Mesh) {
    let answer = mesh.get(Caller::Workload("sleep"), "/old?x=1").await;
    assert_eq!(answer.status(), 200);
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen[":uri"], "/new?y=2");
}

async fn a_denial_reaches_the_caller_with_every_value_and_changes_nothing_upstream(mesh: &Mesh) {
    let before = mesh.upstream.requests();
    let answer = mesh.get(Caller::Workload("sleep"), "/other").await;
    assert_eq!(answer.status(), 403);
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert!(!answer.headers().contains_key("x-added"));
    assert_eq!(mesh.upstream.requests(), before);
}
