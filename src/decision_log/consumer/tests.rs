//! Who gets an event, what is left of it by the policies of the log, and what is counted.

use std::sync::Mutex;

use serde_json::Value as Event;

use super::*;
use crate::{
    decision_log::{
        event::Options,
        samples::{
            active, capture, check_request, decision, entry, field, http_request, record, recorded,
        },
    },
    outcome::{CheckError, Outcome},
    telemetry::{DecisionId, Record, decision_log},
};

const ALLOW: &str = "package envoy.authz\nallow := true";

/// Keeps what it is offered.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Entry>>>);

impl Sink for Kept {
    fn offer(&mut self, entry: &Entry) {
        self.0.lock().unwrap().push(entry.clone());
    }

    fn finish(&mut self, _deadline: Instant) {}
}

struct Log {
    consumer: DecisionLog,
    kept: Kept,
    metrics: Arc<Metrics>,
    active: Snapshot<Active>,
}

impl Log {
    fn new(options: Options, modules: &[&str]) -> Self {
        let kept = Kept::default();
        let metrics = Metrics::new(None).with_decision_log(&[decision_log::Sink::Console]);
        let metrics = Arc::new(metrics);
        let active = match modules {
            [] => Snapshot::empty(),
            modules => Snapshot::of(active(modules)),
        };
        let consumer = DecisionLog::new(
            options,
            vec![Box::new(kept.clone())],
            active.clone(),
            Arc::clone(&metrics),
            &Interest::default(),
        );
        Self {
            consumer,
            kept,
            metrics,
            active,
        }
    }

    fn tell(&mut self, record: &Record) {
        recorded(record, |recorded| self.consumer.consume(recorded));
    }

    /// The event of one record, if there is one.
    fn event(&mut self, record: &Record) -> Option<Event> {
        self.tell(record);
        let entry = self.kept.0.lock().unwrap().pop()?;
        Some(serde_json::from_slice(&entry.json).unwrap())
    }

    fn counted(&self, of: &str) -> u64 {
        let text = self.metrics.encode();
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("portcullis_decision_log_"));
        let mut found = lines.filter_map(|line| line.strip_prefix(of)?.strip_prefix(' '));
        found
            .next()
            .unwrap_or_else(|| panic!("no {of}"))
            .parse()
            .unwrap()
    }

    fn lost(&self) -> [u64; 2] {
        ["mask_failed", "drop_failed"]
            .map(|cause| self.counted(&format!(r#"dropped_total{{sink="all",cause="{cause}"}}"#)))
    }

    fn skipped(&self, cause: &str) -> u64 {
        self.counted(&format!(r#"skipped_total{{cause="{cause}"}}"#))
    }
}

fn path(last: &str) -> Vec<String> {
    ["system", "log", last].map(str::to_owned).to_vec()
}

/// As the configuration has it when it says nothing.
fn options() -> Options {
    Options {
        mask: Some(path("mask")),
        drop: Some(path("drop")),
        ..Options::default()
    }
}

fn get(outcome: Outcome) -> Record {
    record(capture("http1-mtls-get"), outcome)
}

#[test]
fn one_in_n_allows_has_an_event_and_every_denial_and_error() {
    let options = Options {
        sample_allowed: 10,
        ..options()
    };
    let mut log = Log::new(options, &[ALLOW]);
    let mut kept = 0;
    for _ in 0..500 {
        let decision_id = DecisionId::random();
        let allowed = log.event(&Record {
            decision_id,
            ..get(decision("true"))
        });
        assert_eq!(allowed.is_some(), decision_id.is_one_in(10));
        kept += u64::from(allowed.is_some());
        for refused in [decision("false"), Err(CheckError::NotReady)] {
            for dry_run in [false, true] {
                let outcome = match &refused {
                    Ok(_) => decision("false"),
                    Err(_) => Err(CheckError::NotReady),
                };
                let record = Record {
                    decision_id,
                    dry_run,
                    ..get(outcome)
                };
                assert!(log.event(&record).is_some());
            }
        }
    }
    assert_eq!(log.skipped("sampled"), 500 - kept);
    assert!(kept > 0 && kept < 500);
}

#[test]
fn what_drop_decides_is_left_out_and_counted_and_nothing_else_is() {
    for (rule, dropped) in [
        ("drop := true", true),
        ("drop if input.result == true", true),
        ("drop if input.path == \"envoy/authz/allow\"", true),
        ("drop if input.metrics", false),
        ("drop if input.error", false),
        ("drop if input.portcullis", false),
        ("drop := false", false),
        ("drop := \"true\"", false),
        ("drop := {1}", false),
        ("other := true", false),
    ] {
        let module = format!("package system.log\n{rule}");
        let mut log = Log::new(options(), &[ALLOW, &module]);
        assert_eq!(
            log.event(&get(decision("true"))).is_none(),
            dropped,
            "{rule}"
        );
        assert_eq!(log.skipped("drop_decision"), u64::from(dropped), "{rule}");
        assert_eq!(log.lost(), [0, 0], "{rule}");
    }
}

#[test]
fn what_the_mask_names_is_erased_or_replaced_and_listed() {
    let mask = r#"package system.log
mask contains "/input/attributes/request/http/headers"
mask contains "/input/nothing"
mask contains {"op": "upsert", "path": "/result", "value": object.keys(input)}
"#;
    let mut log = Log::new(options(), &[ALLOW, mask]);
    let event = log.event(&get(decision("true"))).unwrap();
    assert!(
        event
            .pointer("/input/attributes/request/http/method")
            .is_some()
    );
    assert!(
        event
            .pointer("/input/attributes/request/http/headers")
            .is_none()
    );
    assert_eq!(
        event["erased"].to_string(),
        r#"["/input/attributes/request/http/headers"]"#
    );
    assert_eq!(event["masked"].to_string(), r#"["/result"]"#);
    // What the policy has seen: neither metrics nor what is ours.
    assert_eq!(
        event["result"].to_string(),
        r#"["bundles","decision_id","input","labels","path","result","timestamp"]"#
    );
    assert!(event.get("metrics").is_some() && event.get("portcullis").is_some());
}

#[test]
fn without_a_mask_there_is_nothing_to_list() {
    for module in [
        "package system.log\nmask := set()",
        "package system.log\nmask contains \"/input/x\"",
        "package other",
    ] {
        let mut log = Log::new(options(), &[ALLOW, module]);
        let event = log.event(&get(decision("true"))).unwrap();
        assert!(
            event.get("erased").is_none() && event.get("masked").is_none(),
            "{module}"
        );
        assert!(event.pointer("/input/attributes").is_some(), "{module}");
    }
}

#[test]
fn credentials_are_gone_before_a_mask_is_asked() {
    let mask = r#"package system.log
mask contains {"op": "upsert", "path": "/result", "value": input.input.attributes.request.http.headers.authorization}
"#;
    let mut log = Log::new(options(), &[ALLOW, mask]);
    let event = log
        .event(&record(capture("http1-plaintext-jwt"), decision("true")))
        .unwrap();
    assert!(
        event["result"]
            .as_str()
            .unwrap()
            .starts_with("Bearer sha256:"),
        "{event}"
    );
}

#[test]
fn an_event_whose_mask_or_drop_fails_is_lost_and_counted() {
    for (rules, lost) in [
        ("mask := {\"/labels\"}", [1, 0]),
        ("mask := true", [1, 0]),
        (
            "mask := \"/input\" if input.path\nmask := \"/result\" if input.path",
            [1, 0],
        ),
        ("drop if input.path\ndrop := false if input.path", [0, 1]),
        (
            "drop if { some i in numbers.range(1, 100000000); i < 0 }",
            [0, 1],
        ),
        ("mask := {\"/input/x\"}\ndrop := false", [0, 0]),
    ] {
        let module = format!("package system.log\n{rules}");
        let mut log = Log::new(options(), &[ALLOW, &module]);
        let told = log.event(&get(decision("true")));
        assert_eq!(told.is_none(), lost != [0, 0], "{rules}");
        assert_eq!(log.lost(), lost, "{rules}");
        assert_eq!(log.skipped("drop_decision"), 0, "{rules}");
    }
}

#[test]
fn a_policy_that_is_not_asked_for_by_the_configuration_is_not_asked() {
    let module = "package system.log\nmask := {\"/input\"}\ndrop := true";
    let mut log = Log::new(Options::default(), &[ALLOW, module]);
    assert!(log.event(&get(decision("true"))).unwrap()["input"].is_object());
    assert!(
        Log::new(options(), &[ALLOW, module])
            .event(&get(decision("true")))
            .is_none()
    );
}

#[test]
fn while_no_policy_says_what_to_mask_nothing_of_the_request_is_shown() {
    let mut log = Log::new(options(), &[]);
    let event = log.event(&get(Err(CheckError::NotReady))).unwrap();
    assert!(event.get("input").is_none());
    assert_eq!(event["erased"].to_string(), r#"["/input"]"#);
    let mut unmasked = Log::new(Options::default(), &[]);
    let event = unmasked.event(&get(Err(CheckError::NotReady))).unwrap();
    assert!(event["input"].is_object() && event.get("erased").is_none());
}

#[test]
fn the_mask_is_that_of_the_policy_that_is_active_now() {
    let mut log = Log::new(options(), &[ALLOW]);
    assert!(
        log.event(&get(decision("true")))
            .unwrap()
            .get("erased")
            .is_none()
    );
    let masking = active(&[ALLOW, "package system.log\nmask := [\"/input\"]"]);
    let masking = Arc::new(masking);
    log.active.publish(Arc::clone(&masking));
    assert!(
        log.event(&get(decision("true")))
            .unwrap()
            .get("erased")
            .is_some()
    );
    log.active.publish(Arc::new(active(&[ALLOW])));
    // It is not kept from ending.
    assert_eq!(Arc::strong_count(&masking), 1);
    assert!(
        log.event(&get(decision("true")))
            .unwrap()
            .get("erased")
            .is_none()
    );
}

#[test]
fn a_body_as_deep_as_bodies_may_be_does_not_take_its_event_away() {
    let depth = 128;
    let body = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let http = [
        entry(3, "content-type", "application/json"),
        field(4, "/"),
        field(11, body),
    ];
    let request = check_request(&[http_request(&http)]);
    let mut log = Log::new(
        options(),
        &[
            ALLOW,
            "package system.log\nmask contains \"/input/version\"",
        ],
    );
    let event = log.kept_text(&record(request, decision("true")));
    assert!(event.contains(r#""parsed_body":[[[["#), "{event}");
    assert!(event.contains(r#""erased":["/input/version"]"#), "{event}");
}

impl Log {
    /// As text: what reads events here does not read them that deep.
    fn kept_text(&mut self, record: &Record) -> String {
        self.tell(record);
        let entry = self.kept.0.lock().unwrap().pop().expect("an event");
        String::from_utf8(entry.json.to_vec()).unwrap()
    }
}

#[test]
fn the_rules_that_decided_are_told_while_their_policy_is_active() {
    let rego = "package envoy.authz\ndefault allow := false\nallow if input.attributes.request.http.method == \"GET\"\n";
    let mut log = Log::new(
        Options {
            rules: true,
            ..options()
        },
        &[rego],
    );
    let policy = log.active.load_full().unwrap();
    let mut told = |policy, outcome| {
        let record = Record {
            policy,
            ..get(outcome)
        };
        log.event(&record).unwrap()["portcullis"]["rules"].to_string()
    };
    let provenance = || Some(Arc::clone(policy.policy().provenance()));
    assert_eq!(
        told(provenance(), decision("true")),
        r#"[{"file":"policy0.rego","row":3,"rule":"data.envoy.authz.allow"}]"#
    );
    assert_eq!(told(get(decision("true")).policy, decision("true")), "null");
    assert_eq!(told(provenance(), Err(CheckError::Internal)), "null");
    assert_eq!(told(None, decision("true")), "null");
    let mut silent = Log::new(options(), &[rego]);
    let policy = silent
        .active
        .load_full()
        .map(|active| Arc::clone(active.policy().provenance()));
    let event = silent
        .event(&Record {
            policy,
            ..get(decision("true"))
        })
        .unwrap();
    assert!(event["portcullis"].get("rules").is_none());
}

#[test]
fn an_entry_says_what_sinks_want_to_know_of_it() {
    let mut log = Log::new(options(), &[ALLOW]);
    let record = Record {
        dry_run: true,
        ..get(decision("false"))
    };
    log.tell(&record);
    let entry = log.kept.0.lock().unwrap().pop().unwrap();
    assert_eq!(entry.answer, Answer::Denied);
    assert_eq!(
        (entry.at, entry.decision_id),
        (record.at, record.decision_id)
    );
}

#[test]
fn a_record_that_is_lost_to_a_defect_is_counted() {
    let mut log = Log::new(options(), &[ALLOW]);
    log.consumer.panicked();
    assert_eq!(
        log.counted(r#"dropped_total{sink="all",cause="internal"}"#),
        1
    );
}
