//! The filters that istiod programs for a CUSTOM policy, and their order. The Envoy-only run holds
//! its own configuration to the same expectation that a cluster's istiod is held to.

use serde_json::{Value, json};

use super::{Mesh, wire::Target};

const RBAC: &str = "envoy.filters.http.rbac";
const EXT_AUTHZ: &str = "envoy.filters.http.ext_authz";
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
const ROUTER: &str = "envoy.filters.http.router";

pub(crate) async fn the_filters_stand_in_istiods_order(mesh: &mut impl Mesh) {
    let filters = snake(mesh.filters(Target::Closed).await);
    let filters = filters.as_array().unwrap();
    let at = |wanted: &dyn Fn(&Value) -> bool| {
        let found = filters.iter().position(wanted);
        found.unwrap_or_else(|| panic!("not among {filters:#?}"))
    };
    let label = at(&|filter| filter["name"] == RBAC && !label(filter).is_null());
    let action = |action: &'static str| {
        // ALLOW is the first value of its enum, which is not shown.
        let shown = if action == "ALLOW" {
            Value::Null
        } else {
            action.into()
        };
        at(&|filter| {
            let rules = &filter["typed_config"]["rules"];
            filter["name"] == RBAC && rules.is_object() && rules["action"] == shown
        })
    };
    let gate = at(&|filter| filter["name"] == EXT_AUTHZ);
    assert_eq!(gate, label + 1, "the pair of a provider stands together");
    let order = [
        gate,
        at(&|filter| filter["name"] == JWT_AUTHN),
        action("DENY"),
        action("ALLOW"),
        at(&|filter| filter["name"] == ROUTER),
    ];
    assert!(order.is_sorted(), "{order:?} in {filters:#?}");
    for (policy, _) in label_policies(&filters[label]) {
        assert!(
            policy.starts_with("istio-ext-authz-portcullis-ns[foo]"),
            "{policy}"
        );
    }
    provider(&filters[gate]["typed_config"]);

    let misnamed = snake(mesh.filters(Target::Misnamed).await);
    let misnamed = misnamed.as_array().unwrap();
    assert!(misnamed.iter().all(|filter| filter["name"] != EXT_AUTHZ));
    let denied = misnamed.iter().filter(|filter| filter["name"] == RBAC);
    let mut policies = denied.flat_map(|filter| {
        let policies = filter["typed_config"]["rules"]["policies"].as_object();
        policies.into_iter().flat_map(|policies| policies.keys())
    });
    assert!(policies.any(|policy| policy.ends_with("-deny-due-to-bad-CUSTOM-action")));
}

fn label(filter: &Value) -> &Value {
    &filter["typed_config"]["shadow_rules"]
}

fn label_policies(filter: &Value) -> impl Iterator<Item = (&String, &Value)> {
    assert_eq!(
        filter["typed_config"]["shadow_rules_stat_prefix"],
        "istio_ext_authz_"
    );
    assert_eq!(label(filter)["action"], "DENY");
    label(filter)["policies"].as_object().unwrap().iter()
}

/// What the provider's entry becomes.
fn provider(filter: &Value) {
    assert_eq!(filter["transport_api_version"], "V3");
    // False is not shown.
    assert!([&Value::Null, &json!(false)].contains(&&filter["failure_mode_allow"]));
    assert_eq!(filter["status_on_error"]["code"], "ServiceUnavailable");
    assert_eq!(filter["with_request_body"]["max_request_bytes"], 1024);
    assert_eq!(filter["filter_enabled_metadata"]["filter"], RBAC);
    assert_eq!(
        filter["filter_enabled_metadata"]["path"],
        json!([{"key": "istio_ext_authz_shadow_effective_policy_id"}])
    );
    assert_eq!(
        filter["filter_enabled_metadata"]["value"]["string_match"]["prefix"],
        "istio-ext-authz-portcullis"
    );
    assert_eq!(filter["grpc_service"]["timeout"], "20s");
    let service = &filter["grpc_service"]["envoy_grpc"];
    assert_eq!(service["authority"], "portcullis.authz.svc.cluster.local");
}

/// The names of fields in Envoy's spelling; `istioctl` shows them in the one of JSON.
fn snake(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let named = fields.map(|(name, value)| (snake_name(&name), snake(value)));
            Value::Object(named.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(snake).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn snake_name(name: &str) -> String {
    // Names of policies are keys too, and stay.
    if name.contains(['-', '[']) {
        return name.to_owned();
    }
    let spelled = name.chars().map(|character| {
        if character.is_ascii_uppercase() {
            format!("_{}", character.to_ascii_lowercase())
        } else {
            character.to_string()
        }
    });
    spelled.collect()
}
