//! `portcullis explain` over saved requests and records, as people and scripts use it.

use std::fs;

use serde_json::{Value, json};

use crate::{Done, authors::Folder, portcullis, with_input};

const SKELETON: &str = "policies/published_skeleton/published_skeleton.rego";
const REQUEST: &str = "tests/fixtures/captures/http2-mtls-get.json";

fn explain(arguments: &[&str]) -> Done {
    portcullis(&[&["explain"], arguments].concat())
}

/// What a gate with [`SKELETON`] logs of a caller with this tier.
fn record(id: &str, tier: &str) -> Value {
    let claims = json!({"tier": tier});
    json!({
        "decision_id": id,
        "path": "envoy/authz/allow",
        "result": tier == "premium",
        "input": {"attributes": {
            "source": {"principal": "spiffe://cluster.local/ns/commerce/sa/orders-api"},
            "metadataContext": {"filterMetadata": {"envoy.filters.http.jwt_authn": {"fields": claims}}},
            "request": {"http": {"headers": {"authorization": "Bearer s3cr3t-token"}}},
        }},
        "portcullis": {"reason": "policy"},
    })
}

#[test]
fn a_saved_request_is_explained_in_every_form_that_decide_reads() {
    let wire = REQUEST.replace(".json", ".pb");
    let from_json = explain(&["-p", SKELETON, REQUEST]);
    let from_wire = explain(&["-p", SKELETON, &wire]);
    let from_input = with_input(&["explain", "-p", SKELETON, "-"], &fs::read(&wire).unwrap());
    assert_eq!((from_json.code, from_json.err.as_str()), (0, ""));
    for other in [from_wire, from_input] {
        assert_eq!(other.out, from_json.out);
    }
    for expected in [
        "denied (policy)",
        "data.envoy.authz.allow is false",
        "0 of 3 conditions held, the nearest",
        "\"spiffe://cluster.local/ns/foo/sa/sleep\" == \"spiffe://cluster.local/ns/commerce/sa/orders-api\"",
    ] {
        assert!(
            from_json.out.contains(expected),
            "{expected}: {}",
            from_json.out
        );
    }
}

#[test]
fn a_record_is_explained_with_the_keys_that_the_policy_reads() {
    let denied = record("1", "basic").to_string();
    let done = with_input(&["explain", "-p", SKELETON, "-"], denied.as_bytes());
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    for expected in [
        "decision 1\ndenied (policy)",
        "2 of 3 conditions held, the nearest",
        "claims[\"tier\"] == \"premium\"",
        "with values: \"basic\" == \"premium\"",
    ] {
        assert!(done.out.contains(expected), "{expected}: {}", done.out);
    }
    assert!(!done.out.contains("warning"), "{}", done.out);
    let allowed = record("2", "premium").to_string();
    let done = with_input(&["explain", "-p", SKELETON, "-"], allowed.as_bytes());
    assert_eq!(done.code, 0);
    assert!(done.out.contains("allowed (policy)"), "{}", done.out);
    assert!(done.out.contains("all 3 conditions held"), "{}", done.out);
}

#[test]
fn one_record_of_a_log_is_chosen_by_its_decision() {
    let folder = Folder::new();
    let log = folder.path("decisions.log");
    let records = [record("1", "basic"), record("2", "premium")];
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    fs::write(&log, lines.join("\n")).unwrap();
    let chosen = explain(&["-p", SKELETON, "--decision-id", "2", "-o", "json", &log]);
    assert_eq!((chosen.code, chosen.err.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&chosen.out).unwrap();
    assert_eq!(json["decision"], "allowed");
    assert_eq!(json["decision_id"], "2");
    assert_eq!(json["explanation"]["decided_by"][0]["row"], 3);
    assert_eq!(json["explanation"]["rules"][0]["value"], "true");
    for (arguments, wrong) in [
        (&["-p", SKELETON, &log][..], "there are 2 records"),
        (
            &["-p", SKELETON, "--decision-id", "3", &log],
            "no record has the decision id `3`",
        ),
        (&["-p", SKELETON, "/nowhere"], "cannot read `/nowhere`"),
        (&["-p", "/nowhere", &log, "--decision-id", "1"], "/nowhere"),
        (&[], "required"),
    ] {
        let done = explain(arguments);
        assert_eq!(done.code, 64, "{arguments:?}: {}", done.err);
        assert!(done.err.contains(wrong), "{}", done.err);
    }
}

#[test]
fn a_record_of_another_policy_or_with_hidden_parts_is_explained_with_a_warning() {
    let mut hidden = record("1", "premium");
    hidden["input"]["attributes"]["metadataContext"] = json!({});
    hidden["erased"] = json!(["/input/attributes/metadataContext/filterMetadata"]);
    hidden["bundles"] = json!({"main": {"revision": "r7"}});
    let done = with_input(
        &["explain", "-p", SKELETON, "-"],
        hidden.to_string().as_bytes(),
    );
    assert_eq!(done.code, 0, "{}", done.err);
    for expected in [
        "warning: the record was decided by revision `r7` of bundle `main`",
        "warning: the record says `allowed`, this policy says `denied`",
        "warning: parts of the input are redacted in the record (1)",
        "is redacted in the record",
    ] {
        assert!(done.out.contains(expected), "{expected}: {}", done.out);
    }
}

#[test]
fn what_never_reached_the_policy_is_said_so() {
    let mut unread = record("1", "basic");
    unread["input"] = Value::Null;
    unread["result"] = Value::Null;
    unread["error"] = json!({"code": "request", "message": "the request cannot be read"});
    unread["portcullis"] = json!({"reason": "request"});
    let done = with_input(
        &["explain", "-p", SKELETON, "-"],
        unread.to_string().as_bytes(),
    );
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(
        done.out
            .contains("denied (request): the request cannot be read"),
        "{}",
        done.out
    );
    assert!(
        done.out.contains("the policy was not asked"),
        "{}",
        done.out
    );
}

#[test]
fn no_credential_of_a_record_is_printed() {
    let folder = Folder::new();
    let policy = folder.path("policy.rego");
    let text = "package envoy.authz\nallow if input.attributes.request.http.headers.authorization == \"x\"\nallow if split(input.attributes.request.http.headers.authorization, \" \")[1] == \"y\"\nallow if input.attributes.request == {}";
    fs::write(&policy, text).unwrap();
    for form in ["text", "json"] {
        let done = with_input(
            &["explain", "-p", &policy, "-o", form, "-"],
            record("1", "basic").to_string().as_bytes(),
        );
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(done.out.contains("****"), "{}", done.out);
        assert!(!done.out.contains("s3cr3t"), "{}", done.out);
    }
}

#[test]
fn the_document_shows_what_is_printed() {
    let document = fs::read_to_string("docs/explain.md").unwrap();
    let done = explain(&["-p", SKELETON, REQUEST]);
    assert!(document.contains(done.out.trim_end()), "{}", done.out);
    let folder = Folder::new();
    let log = folder.path("decisions.log");
    fs::write(&log, record("8a1c7e0f", "basic").to_string()).unwrap();
    let done = explain(&["-p", SKELETON, "--decision-id", "8a1c7e0f", &log]);
    assert!(document.contains(done.out.trim_end()), "{}", done.out);
}

#[test]
fn no_credential_of_a_saved_request_is_printed_whatever_the_policy_makes_of_it() {
    let folder = Folder::new();
    let policy = folder.path("policy.rego");
    let text = r#"package envoy.authz
http := input.attributes.request.http
allow := {"allowed": false, "reason": sprintf("%v %v", [http.headers["x-company-key"], http.path])} if true
allow if http.headers["x-company-key"] == "x"
allow if input.parsed_query.ticket[0] == "x"
allow if input.parsed_body.new_password == "x"
allow if split(http.path, "session_token=")[1] == "x"
allow if http.headers["x-original"] == "x"
allow if http.body == "x"
allow if http.raw_body == "x"
"#;
    fs::write(&policy, text).unwrap();
    let mut request: Value = serde_json::from_slice(&fs::read(REQUEST).unwrap()).unwrap();
    let http = request
        .pointer_mut("/check_request/attributes/request/http")
        .unwrap();
    http["path"] = json!("/a?ticket=mark3d-1&session_token=mark3d-2");
    http["body"] = json!(r#"{"new_password":"mark3d-3"}"#);
    http["headers"]["content-type"] = json!("application/json");
    http["headers"]["x-company-key"] = json!("mark3d-4");
    http["headers"]["x-original"] = json!("Basic mark3d-5");
    let config = folder.path("config.yaml");
    for (headers, hidden) in [("x-company-key", true), ("x-other", false)] {
        let text = format!(
            "decision_logs: {{console: true}}\nportcullis: {{decision_logs: {{redact: {{headers: [{headers}]}}}}}}"
        );
        fs::write(&config, text).unwrap();
        for form in ["text", "json"] {
            let arguments = ["explain", "-p", &policy, "-c", &config, "-o", form, "-"];
            let done = with_input(&arguments, request.to_string().as_bytes());
            assert_eq!(done.code, 0, "{}", done.err);
            assert!(done.out.contains("****"), "{}", done.out);
            assert_eq!(!done.out.contains("mark3d-4"), hidden, "{}", done.out);
            for mark in ["mark3d-1", "mark3d-2", "mark3d-3", "mark3d-5"] {
                assert!(!done.out.contains(mark), "{mark}: {}", done.out);
            }
        }
    }
}
