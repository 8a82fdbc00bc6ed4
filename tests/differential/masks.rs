//! The comparison with OPA itself: what `mask_decision` and `drop_decision` leave of an event. Both are
//! asked about the same input and result, and told by the request what the policy of the log is to say.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use portcullis::{
    check::Active,
    decision::Decision,
    decision_log::{DecisionLog, Entry, Sink, event},
    identity::Xfcc,
    input,
    policy::Externals,
    redact::credentials,
    request::RequestView,
    snapshot::Snapshot,
    telemetry::{
        DecisionId, Metrics, Record, Recorded, StageTimes,
        recorder::{Consumer as _, Interest},
    },
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::{file, opa, options};
use portcullis::policy::Policy;

const LOG: &str = "package system.log

import rego.v1

said := input.input.attributes.contextExtensions

rules := json.unmarshal(said.mask)

mask := rules if not said.set

mask := {rule | some rule in rules} if said.set

drop := json.unmarshal(said.drop)
";

const DECISION: &str = r#"package t

decision := {"allowed": true, "headers": {"x-a": "1", "x-b": ["2", "3"]}}
"#;

/// Masks that are valid. Of `/nd_builtin_cache` there is nothing to compare: what
/// runs OPA here always has one, even when it is `null`.
fn masks() -> Vec<Value> {
    let header = |name: &str| format!("/input/attributes/request/http/headers/{name}");
    let upsert = |path: &str| json!({"op": "upsert", "path": path, "value": {"v": [1]}});
    let remove = |path: &str| json!({"op": "remove", "path": path});
    vec![
        json!([]),
        json!([header("user-agent"), header(":path"), header("none")]),
        json!(["/input/parsed_path/0"]),
        json!([
            "/input/parsed_path/7",
            "/input/parsed_path/x",
            "/input/parsed_path/-1"
        ]),
        json!([
            "/input/parsed_path/0/x",
            "/input/parsed_body/x",
            "/input/nothing/x"
        ]),
        json!(["/input"]),
        json!(["/result"]),
        json!([
            "/result/headers/x-b/0",
            "/result/headers/none",
            "/result/allowed"
        ]),
        json!([remove("/input/version"), remove("/input/none")]),
        json!([
            upsert("/input/version/encoding"),
            upsert("/input/version/encoding/x")
        ]),
        json!([upsert("/input/new/deep/er"), "/input/new/deep/er/v/0"]),
        json!([
            upsert("/input/parsed_path/1"),
            upsert("/input/parsed_path/9"),
            upsert("/input/parsed_path/9/x")
        ]),
        json!([
            upsert("/input/parsed_body/x"),
            upsert("/input/parsed_path/x")
        ]),
        json!([upsert("/input"), upsert("/result")]),
        json!([
            upsert("/result/headers/x-a"),
            "/result/headers/x-a",
            upsert("/result/more")
        ]),
        json!([
            "/input",
            "/input",
            "/input/version",
            upsert("/input/version")
        ]),
        json!([{"op": "upsert", "path": "/input/version"}]),
    ]
}

/// What is no mask.
fn refused() -> Vec<Value> {
    vec![
        json!(["/labels"]),
        json!(["/input/version", "input"]),
        json!([""]),
        json!(["/"]),
        json!([1]),
        json!([null]),
        json!([{"op": "move", "path": "/input"}]),
        json!([{"path": "/input"}]),
        json!([{"op": "remove"}]),
        json!([{"op": 1, "path": "/input"}]),
        json!({"/input": 1}),
        json!("/input"),
        json!(true),
    ]
}

/// What the policy of the log says: the mask, whether as a set, and the drop.
fn cases() -> Vec<(Value, bool, Value)> {
    let mut cases = Vec::new();
    for mask in [masks(), refused()].concat() {
        let list = mask.is_array();
        cases.push((mask.clone(), false, Value::Null));
        if list {
            cases.push((mask, true, Value::Null));
        }
    }
    for drop in [
        json!(true),
        json!(false),
        json!("true"),
        json!(1),
        json!([true]),
        json!({}),
    ] {
        cases.push((json!(["/input"]), false, drop));
    }
    cases
}

fn record((mask, set, drop): &(Value, bool, Value)) -> Record {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/captures/http1-mtls-get.pb"
    );
    let bytes = std::fs::read(path).expect("a capture");
    let mut request = CheckRequest::decode(bytes.as_slice()).expect("a request");
    let attributes = request.attributes.as_mut().expect("attributes");
    let mut said = HashMap::from([("mask".to_owned(), mask.to_string())]);
    said.insert("drop".to_owned(), drop.to_string());
    if *set {
        said.insert("set".to_owned(), "yes".to_owned());
    }
    attributes.context_extensions = said;
    let decision = input::Value::from_json_str(
        r#"{"allowed": true, "headers": {"x-a": "1", "x-b": ["2", "3"]}}"#,
    );
    Record {
        decision_id: DecisionId::random(),
        at: Duration::ZERO,
        request: request.encode_to_vec().into(),
        outcome: Ok(Decision::parse(&decision.expect("JSON")).expect("a decision")),
        dry_run: false,
        duration: Duration::ZERO,
        stages: StageTimes::default(),
        token: None,
        policy: None,
        externals: Externals::default(),
        trace: None,
        shed: None,
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Entry>>>);

impl Sink for Kept {
    fn offer(&mut self, entry: &Entry) {
        self.0.lock().expect("no panic").push(entry.clone());
    }

    fn finish(&mut self, _deadline: Instant) {}
}

/// The event of each record, or none.
fn ours(records: &[Record], asked: bool) -> Vec<Option<Value>> {
    let files = [file("t.rego", DECISION), file("log.rego", LOG)];
    let policy = Policy::load(&files, &options()).expect("it loads");
    let active = Snapshot::of(Active::new(policy, &input::Options::default()));
    let path = |last: &str| asked.then(|| ["system", "log", last].map(str::to_owned).to_vec());
    let options = event::Options {
        mask: path("mask"),
        drop: path("drop"),
        redact: credentials::Options {
            off: true,
            ..credentials::Options::default()
        },
        ..event::Options::default()
    };
    let kept = Kept::default();
    let mut log = DecisionLog::new(
        options,
        vec![Box::new(kept.clone())],
        active,
        Arc::new(Metrics::new(None)),
        &Interest::default(),
    );
    let tell = |record: &Record| {
        let request = RequestView::parse(&record.request);
        log.consume(&Recorded::new(record, &request, Xfcc::Ignored));
        let entry = kept.0.lock().expect("no panic").pop()?;
        Some(serde_json::from_slice(&entry.json).expect("JSON"))
    };
    records.iter().map(tell).collect()
}

/// What OPA logs for each of these inputs, or none.
fn theirs(inputs: &[Value]) -> Vec<Option<Value>> {
    let folder = tempfile::tempdir().expect("a folder");
    let policies = folder.path().join("policies");
    std::fs::create_dir(&policies).expect("a folder");
    std::fs::write(policies.join("t.rego"), DECISION).expect("a file");
    std::fs::write(policies.join("log.rego"), LOG).expect("a file");
    let names: Vec<_> = (0..inputs.len())
        .map(|at| folder.path().join(format!("{at}.json")))
        .collect();
    for (name, input) in names.iter().zip(inputs) {
        std::fs::write(name, input.to_string()).expect("a file");
    }
    let output = Command::new(opa::binary())
        .args([
            "exec",
            "--decision",
            "t/decision",
            "--set",
            "decision_logs.console=true",
            "--bundle",
        ])
        .arg(&policies)
        .args(&names)
        .output()
        .expect("OPA runs");
    let answers: Value = serde_json::from_slice(&output.stdout).expect("answers");
    let lines = String::from_utf8(output.stderr).expect("text");
    let logged: BTreeMap<String, Value> = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["msg"] == "Decision Log")
        .map(|line| (line["decision_id"].to_string(), line))
        .collect();
    let answered = |name: &std::path::PathBuf| {
        let results = answers["result"].as_array().expect("a list");
        let path = name.to_str().expect("text");
        // OPA may tell of a file without its first slash.
        let told = |result: &&Value| {
            let told = result["path"].as_str().unwrap_or_default();
            path.trim_start_matches('/') == told.trim_start_matches('/')
        };
        let result = results.iter().find(told).expect("an answer");
        logged.get(&result["decision_id"].to_string()).cloned()
    };
    names.iter().map(answered).collect()
}

/// Compares what is left of events.
pub(crate) fn compare() {
    let cases = cases();
    let records: Vec<Record> = cases.iter().map(record).collect();
    let inputs = ours(&records, false).into_iter();
    let inputs: Vec<Value> = inputs
        .map(|event| event.expect("an event")["input"].clone())
        .collect();
    let (ours, theirs) = (ours(&records, true), theirs(&inputs));
    let mut told = 0;
    for ((case, ours), theirs) in cases.iter().zip(&ours).zip(&theirs) {
        assert_eq!(ours.is_some(), theirs.is_some(), "{case:?}");
        let (Some(ours), Some(theirs)) = (ours, theirs) else {
            continue;
        };
        for key in ["input", "result", "erased", "masked"] {
            assert_eq!(ours.get(key), theirs.get(key), "{key} for {case:?}");
        }
        told += 1;
    }
    assert!(told > 20 && told < cases.len(), "{told} of {}", cases.len());
}
