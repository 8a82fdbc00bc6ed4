//! What loading and evaluating promise together; the parts have their own files.

use super::*;

fn module(text: &str) -> PolicyFile {
    file("policy.rego", text.as_bytes())
}

fn file(name: &str, bytes: &[u8]) -> PolicyFile {
    PolicyFile {
        name: name.to_owned(),
        data_path: Vec::new(),
        bytes: bytes.to_vec(),
    }
}

fn at(path: &str) -> LoadOptions {
    LoadOptions {
        entrypoint: Entrypoint::Path(path.split('/').map(str::to_owned).collect()),
        v0_compatible: false,
        strict_builtin_errors: false,
    }
}

fn query(text: &str) -> LoadOptions {
    LoadOptions {
        entrypoint: Entrypoint::Query(text.to_owned()),
        ..at("x")
    }
}

const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    instructions: 1_000_000,
    memory: 64 * 1024 * 1024,
};

fn json(text: &str) -> Value {
    Value::from_json_str(text).unwrap()
}

fn problems(files: &[PolicyFile], options: &LoadOptions) -> Vec<String> {
    let LoadError(problems) = Policy::load(files, options).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

const SKELETON: &str = r#"package envoy.authz
default allow := false
allow if {
  input.attributes.source.principal == "spiffe://cluster.local/ns/commerce/sa/orders-api"
  claims := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields
  claims["tier"] == "premium"
}
"#;

#[test]
fn a_policy_is_shared_by_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Policy>();
}

#[test]
fn the_published_skeleton_reads_two_paths_and_runs_on_the_machine() {
    let policy = Policy::load(&[module(SKELETON)], &at("envoy/authz/allow")).unwrap();
    assert_eq!(
        policy.reads().to_string(),
        "input.attributes.metadata_context.filter_metadata[\"envoy.filters.http.jwt_authn\"].fields.tier\n\
         input.attributes.source.principal"
    );
    assert_eq!(policy.interpreted_because(), &[]);
    assert_eq!(policy.engine(), Engine::Rvm);
    let input = |tier: &str| {
        json(&format!(
            r#"{{"attributes":{{"source":{{"principal":"spiffe://cluster.local/ns/commerce/sa/orders-api"}},
            "metadata_context":{{"filter_metadata":{{"envoy.filters.http.jwt_authn":{{"fields":{{"tier":"{tier}"}}}}}}}}}}}}"#
        ))
    };
    for policy in [&policy, &policy.on_interpreter()] {
        assert_eq!(
            policy.evaluate(input("premium"), LIMITS).unwrap(),
            Value::from(true)
        );
        assert_eq!(
            policy.evaluate(input("free"), LIMITS).unwrap(),
            Value::from(false)
        );
        assert_eq!(
            policy.evaluate(Value::new_object(), LIMITS).unwrap(),
            Value::from(false)
        );
    }
}

mod bundles;
mod entrypoints;
mod exhaustion;
mod hostile;
mod loading;
mod lookups;
mod negation;
mod reading;
mod replaced;
mod sending;
mod tokens;
