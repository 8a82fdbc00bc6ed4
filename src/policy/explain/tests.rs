//! What is told of policies of every form, as people read it.

use std::time::Duration;

use super::{Explainer, Reach};
use crate::input::Value;
use crate::policy::{Entrypoint, Limits, LoadOptions, PolicyFile, PolicySet};

const REACH: Reach = Reach {
    each: Limits {
        time: Duration::from_secs(10),
        instructions: 1_000_000,
        memory: 64 << 20,
    },
    all: Duration::from_mins(1),
};

fn explainer(texts: &[&str], options: &LoadOptions) -> Explainer {
    let files: Vec<PolicyFile> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| PolicyFile {
            name: format!(
                "{at}.{}",
                if text.starts_with('{') {
                    "json"
                } else {
                    "rego"
                }
            ),
            data_path: Vec::new(),
            bytes: text.as_bytes().to_vec(),
        })
        .collect();
    let set = PolicySet {
        files: &files,
        ..PolicySet::default()
    };
    Explainer::new(&set, options).unwrap_or_else(|error| panic!("{error}"))
}

fn allow() -> LoadOptions {
    LoadOptions {
        entrypoint: Entrypoint::Path(["a", "allow"].map(str::to_owned).to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    }
}

/// The policy, then what is told for each input.
fn told(texts: &[&str], options: &LoadOptions, inputs: &[&str]) -> String {
    let explainer = explainer(texts, options);
    let mut all = texts.join("\n");
    for input in inputs {
        let document = Value::from_json_str(input).unwrap();
        let explanation = explainer.explain(&document, &[], REACH);
        all.push_str(&["\n=== ", input, "\n", &explanation.to_string(), "\n"].concat());
    }
    all
}

const SHOP: &str = r#"package a
default allow := false
allow if {
  input.principal == "orders"
  claims := input.jwt.claims
  claims.tier == "premium"
}
allow if {
  some role in input.roles
  grant := data.grants[role]
  grant.path == input.path
  not blocked(input.path)
}
allow if {
  every segment in input.segments {
    not segment in {"admin", ".."}
    count(segment) < 10
  }
  input.headers["x-api-key"] in data.keys
}
blocked(path) if startswith(path, "/internal")
blocked("/closed") := true
"#;

const DATA: &str = r#"{"grants": {"reader": {"path": "/items"}, "ops": {"path": "/internal/x"}}, "keys": ["s3cr3t-1"]}"#;

#[test]
fn conditions_values_iterations_functions_and_every_are_told() {
    let inputs = [
        r#"{"principal":"orders","jwt":{"claims":{"tier":"basic"}},"roles":["reader","ops"],"path":"/internal/x","segments":["x","admin"]}"#,
        r#"{"principal":"orders","jwt_error":"expired","roles":["x","reader"],"path":"/z","segments":["x"],"headers":{"x-api-key":"wrong-key"}}"#,
        r#"{"principal":"orders","jwt":{"claims":{"tier":"premium"}}}"#,
    ];
    insta::assert_snapshot!("shop", told(&[SHOP, DATA], &allow(), &inputs));
}

const DENIALS: &str = r#"package a
import data.lib
default allow := {"allowed": false, "reason": "default"}
allow := {"allowed": true} if { count(deny) == 0; lib.known }
else := {"allowed": false, "reason": "denied"} if { count(deny) > 0 }
deny contains "path" if not public
deny contains msg if { some h in ["x-debug", "x-root"]; input.headers[h]; msg := sprintf("header %s", [h]) }
public if input.path in lib.paths
public if { glob.match("/static/**", ["/"], input.path) with input as {"path": "/y"} }
"#;
const LIB: &str = r#"package lib
paths := {"/", "/help"}
known if { lower(input.caller) == caller[_] }
caller[name] := id if { some id, name in {"1": "alice"} }
"#;

#[test]
fn sets_of_denials_else_with_and_other_packages_are_told() {
    let inputs = [
        r#"{"path":"/secret","headers":{"x-root":"1"},"caller":"Alice"}"#,
        r#"{"path":"/","headers":{},"caller":"Bob"}"#,
        r#"{"path":"/help","headers":{},"caller":"1"}"#,
    ];
    insta::assert_snapshot!("denials", told(&[DENIALS, LIB], &allow(), &inputs));
}

#[test]
fn what_only_holds_together_is_told_together() {
    let policy = "package a\nallow if {\n  x > 1\n  x = input.x\n  y := input.y\n  y == x\n}\nallow if {\n  some x, y\n  input.m[x][y] == 1\n  x != y\n}\n";
    let inputs = [
        r#"{"x":1,"y":2}"#,
        r#"{"x":2,"y":3}"#,
        r#"{"m":{"a":{"a":1}}}"#,
    ];
    insta::assert_snapshot!("together", told(&[policy], &allow(), &inputs));
}

#[test]
fn rego_v0_is_told_as_well() {
    let policy = "package a\ndefault allow = false\nallow { input.x == 1; input.y[_] == \"z\" } { input.w }\nallow = true { not f(input.x) }\nf(x) = y { y := x > 1 } else = true { x == 0 }\n";
    let options = LoadOptions {
        v0_compatible: true,
        ..allow()
    };
    let inputs = [r#"{"x":1,"y":["a","b"]}"#, r#"{"x":0}"#, "{}"];
    insta::assert_snapshot!("v0", told(&[policy], &options, &inputs));
}

#[test]
fn errors_are_told_where_they_happen() {
    let policy = "package a\nallow if { input.x == 1; http.send({\"method\": \"get\", \"url\": input.url}).status_code == 200 }\nallow if { input.x + 1 == 3 }";
    let inputs = [
        r#"{"x":1,"url":"http://127.0.0.1/"}"#,
        r#"{"x":"no number"}"#,
    ];
    insta::assert_snapshot!("errors", told(&[policy], &allow(), &inputs));
}

#[test]
fn an_iteration_over_no_collection_stops_there_and_one_over_a_collection_goes_on() {
    let policy = r"package a
allow if {
  some k, v in input.x
  [k | some v in input.x]
}
";
    let stopped = told(&[policy], &allow(), &[r#"{"x":1}"#]);
    assert!(stopped.contains("data.a.allow is undefined"), "{stopped}");
    assert!(!stopped.contains("not known"), "{stopped}");
    let held = told(&[policy], &allow(), &[r#"{"x":{"b":2}}"#]);
    assert!(held.contains("data.a.allow is true"), "{held}");
    assert!(!held.contains("not known"), "{held}");
}

#[test]
fn what_a_record_hides_is_named() {
    let policy = "package a\nallow if input.attributes.metadata_context.tier == \"premium\"";
    let explainer = explainer(&[policy], &allow());
    let hidden = ["attributes", "metadataContext", "tier"]
        .map(str::to_owned)
        .to_vec();
    let told = explainer
        .explain(&Value::new_object(), &[hidden], REACH)
        .to_string();
    let expected = "`input.attributes.metadataContext.tier` is redacted in the record";
    assert!(told.contains(expected), "{told}");
    let nothing = explainer
        .explain(&Value::new_object(), &[], REACH)
        .to_string();
    assert!(!nothing.contains("redacted"), "{nothing}");
}

#[test]
fn no_credential_is_told_whatever_a_policy_does_with_it() {
    let policy = r#"package a
default allow := false
allow if { input.headers.authorization == "Bearer other" }
allow if { [_, token] := split(input.headers.authorization, " "); token in data.tokens }
allow if { key == data.key }
allow if { some h in input.header_map; h.value == "no" }
allow if { trim_prefix(input.path, "/x?access_token=") == "a" }
allow if { upper(input.headers.cookie) == "A" }
allow if { input == {} }
key := concat("-", [input.headers["x-api-key"], "end"])
"#;
    let data = r#"{"tokens": ["d4ta-token"], "key": "d4ta-key"}"#;
    let input = r#"{"headers":{"authorization":"Bearer 0paque-credential","cookie":"sid=c00kie-value","x-api-key":"k3y-value"},
        "header_map":[{"key":"cookie","value":"sid=c00kie-value"}],"path":"/x?access_token=qu3ry-token","parsed_query":{"access_token":["qu3ry-token"]}}"#;
    let told = told(&[policy, data], &allow(), &[input]);
    let (_, told) = told.split_once("\ndecided by").unwrap();
    for secret in [
        "0paque",
        "c00kie",
        "C00KIE",
        "k3y-value",
        "qu3ry",
        "d4ta-token",
    ] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    assert!(told.contains("****"), "{told}");
}

#[test]
fn a_query_is_told_by_the_rules_that_it_names() {
    let options = LoadOptions {
        entrypoint: Entrypoint::Query("data.a.allow".to_owned()),
        ..allow()
    };
    let explainer = explainer(&["package a\nallow if input.x == 1"], &options);
    let input = Value::from_json_str(r#"{"x":2}"#).unwrap();
    let told = explainer.explain(&input, &[], REACH).to_string();
    assert!(told.contains("with values: 2 == 1"), "{told}");
}
