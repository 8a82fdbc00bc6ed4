//! `docs/decision-log.md` names what records hold, and nothing else.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use crate::{gate::Gate, requests};

/// Documented, and not in the records that this test sees.
const RARE: [&str; 5] = [
    "query",
    "nd_builtin_cache",
    "portcullis.stage",
    "portcullis.truncated",
    "portcullis.caller.principal",
];

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.parsed_path[0] == "open"
"#;

const MASK: &str = r#"package system.log

mask contains "/input/attributes/source/address"

mask contains {"op": "upsert", "path": "/input/source_principal", "value": "somebody"}
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first column of the table of keys.
fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/decision-log.md")).unwrap();
    let (_, table) = text.split_once("| key | of | it says |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| !line.is_empty());
    let keys = rows.map(|row| row.split('`').nth(1).unwrap().to_owned());
    keys.collect()
}

/// Events as they stand in snapshots.
fn snapshots() -> Vec<Value> {
    let folder = root().join("src/decision_log/event/snapshots");
    let files = fs::read_dir(folder).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let events = texts.filter_map(|text| {
        let (_, json) = text.rsplit_once("---\n").unwrap();
        let event: Value = serde_json::from_str(json).unwrap();
        event.get("decision_id").is_some().then_some(event)
    });
    events.collect()
}

/// Records of a gate with everything that can be asked for.
async fn records() -> Vec<Value> {
    let config = json!({
        "decision_logs": {
            "console": true,
            "request_context": {"http": {"headers": ["user-agent"]}},
        },
        "portcullis": {"decision_logs": {"rules": true}},
    });
    let policies = [("policy.rego", POLICY), ("mask.rego", MASK)];
    let mut gate = Gate::with_files(&policies, &config).await;
    for (path, code) in [("/open", 0), ("/closed", 7)] {
        assert_eq!(gate.check(&requests::path(path).into()).await, code);
    }
    assert!(gate.stop().success());
    gate.stderr().ended();
    let mut lines = gate.stderr().lines();
    lines.retain(|line| line["msg"] == "Decision Log");
    assert_eq!(lines.len(), 2);
    for line in &mut lines {
        for logged in ["level", "msg", "time", "type"] {
            assert!(line.as_object_mut().unwrap().remove(logged).is_some());
        }
    }
    lines
}

/// Every key below `value`, as the table writes it.
fn keys(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    // What the policy is asked and answers has keys of its own.
    if ["input", "result", "nd_builtin_cache"].contains(&place) {
        return;
    }
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let named = match place {
                    "" => key.clone(),
                    "labels" | "bundles" | "portcullis.stages" | "request_context.http.headers" => {
                        format!("{place}.*")
                    }
                    _ => format!("{place}.{key}"),
                };
                found.insert(named.clone());
                keys(value, &named, found);
            }
        }
        Value::Array(list) => {
            for value in list {
                keys(value, &format!("{place}[]"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_every_key_of_every_record_and_no_other() {
    let mut found = BTreeSet::new();
    for event in snapshots().into_iter().chain(records().await) {
        keys(&event, "", &mut found);
    }
    let documented = documented();
    let unknown: Vec<_> = found.difference(&documented).collect();
    assert!(unknown.is_empty(), "not documented: {unknown:?}");
    let unseen: BTreeSet<_> = documented.difference(&found).map(String::as_str).collect();
    assert_eq!(unseen, BTreeSet::from(RARE), "documented, and in no record");
}
