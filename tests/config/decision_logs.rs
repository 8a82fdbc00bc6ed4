//! `decision_logs` and `portcullis.decision_logs`: OPA's rules, and what is said of each mistake.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis::{
    config::{Config, DecisionLogs, OurDecisionLogs, Redact},
    decision_log::{
        file,
        service::{Limit, Options, SpillOptions, Trigger},
    },
    redact::Secret,
    traces::otlp,
    version::VERSION,
};

use super::{bundles::service, yaml};

/// What `everything.yaml` has.
pub(super) fn every_key(config: &Config) -> DecisionLogs {
    let ours = every_key_of_ours();
    let names = |path: &[&str]| path.iter().map(|name| (*name).to_owned()).collect();
    DecisionLogs {
        console: true,
        service: Some(Options {
            service: service(config, "mutual"),
            resource: "v2/logs?zone=a".to_owned(),
            upload_bytes: 65_536,
            limit: Limit::Records(500),
            min_delay: Duration::from_secs(5),
            max_delay: Duration::from_secs(15),
            most_per_second: Some(99.5),
            trigger: Trigger::Immediate,
            spill: ours.spill.clone(),
        }),
        file: ours.file,
        otlp: ours.otlp,
        mask_decision: names(&["gate", "log", "mask"]),
        drop_decision: names(&["gate", "log", "drop"]),
        nd_builtin_cache: true,
        request_context_headers: names(&["X-Request-Id", "user-agent"]),
        sample_allowed: 10,
        redact: ours.redact,
        rules: true,
    }
}

pub(super) fn every_key_of_ours() -> OurDecisionLogs {
    OurDecisionLogs {
        file: Some(file::Options {
            path: "/var/log/decisions.jsonl".into(),
            max_bytes: 1_048_576,
            max_files: 3,
        }),
        otlp: Some(otlp::Options {
            protocol: otlp::Protocol::Grpc,
            address: "otel.example.com:4317".to_owned(),
            tls: None,
            headers: Secret::new(HeaderMap::from_iter([(
                HeaderName::from_static("x-api-key"),
                HeaderValue::from_static("t0ken"),
            )])),
            gzip: true,
            resource: vec![
                ("service.name", "gate".to_owned()),
                ("service.version", VERSION.to_owned()),
            ],
            batch: otlp::Batch {
                size: 64,
                ..otlp::Batch::default()
            },
        }),
        sample_allowed: 10,
        redact: Redact {
            headers: vec!["x-tenant-secret".to_owned()],
            parameters: vec!["ticket".to_owned()],
            key: Some("t0ken of at least thirty-two bytes".to_owned().into()),
            off: false,
        },
        rules: true,
        spill: Some(SpillOptions {
            directory: "/var/lib/portcullis/spill".into(),
            max_bytes: 1_048_576,
        }),
    }
}

const SERVICES: &str = "services: [{name: a, url: 'https://a'}, {name: b, url: 'https://b'}]\n";

fn logs(text: &str) -> Option<DecisionLogs> {
    yaml(&format!("{SERVICES}{text}")).unwrap().decision_logs
}

fn posted(text: &str) -> Options {
    logs(text).unwrap().service.unwrap()
}

#[test]
fn without_a_word_everything_is_as_in_opa() {
    let logs = logs("decision_logs: {}").unwrap();
    assert!(!logs.console && !logs.nd_builtin_cache && !logs.rules);
    assert_eq!((logs.file, logs.otlp, logs.sample_allowed), (None, None, 1));
    assert_eq!(logs.mask_decision, ["system", "log", "mask"]);
    assert_eq!(logs.drop_decision, ["system", "log", "drop"]);
    assert_eq!(logs.redact, Redact::default());
    let options = logs.service.unwrap();
    assert_eq!(&*options.service.name, "a");
    assert_eq!(options.resource, "logs");
    assert_eq!(options.upload_bytes, 32_768);
    assert_eq!(options.limit, Limit::Bytes(64 * 1024 * 1024));
    assert_eq!(options.min_delay, Duration::from_mins(5));
    assert_eq!(options.max_delay, Duration::from_mins(10));
    assert_eq!(options.most_per_second, None);
    assert_eq!(options.trigger, Trigger::Periodic);
    assert_eq!(options.spill, None);
}

#[test]
fn the_default_service_is_meant_where_nobody_else_is_told() {
    let of = |text: &str| logs(text).and_then(|logs| logs.service.map(|one| one.service));
    let name = |text: &str| of(text).map(|service| service.name.to_string());
    for (text, want) in [
        ("", None),
        ("decision_logs: {}", Some("a")),
        ("decision_logs: {service: ''}", Some("a")),
        ("decision_logs: {service: b}", Some("b")),
        ("decision_logs: {service: b, console: true}", Some("b")),
        ("decision_logs: {console: true}", None),
        ("decision_logs: {service: '', console: true}", None),
        (
            "decision_logs: {}\nportcullis: {decision_logs: {file: {path: /f}}}",
            None,
        ),
        ("decision_logs: {reporting: {trigger: manual}}", None),
        (
            "decision_logs: {}\ndiscovery: {resource: d, trigger: manual}",
            None,
        ),
        (
            "decision_logs: {reporting: {trigger: periodic}}\ndiscovery: {resource: d, trigger: manual}",
            Some("a"),
        ),
    ] {
        assert_eq!(name(text).as_deref(), want, "{text}");
    }
}

#[test]
fn a_sink_of_ours_needs_no_section_of_opa() {
    let logs = logs("portcullis: {decision_logs: {file: {path: /f}}}").unwrap();
    let file = logs.file.unwrap();
    assert_eq!(file.max_bytes, 100 * 1024 * 1024);
    assert_eq!(file.max_files, 5);
    assert!(!logs.console && logs.service.is_none());
    assert_eq!(logs.mask_decision, ["system", "log", "mask"]);
}

#[test]
fn where_records_go_below_the_service_is_as_in_opa() {
    for (text, want) in [
        ("{resource: /v1/decisions/}", "v1/decisions"),
        ("{resource: 'v1?tenant=a'}", "v1?tenant=a"),
        ("{resource: ''}", ""),
        ("{partition_name: edge/1}", "logs/edge/1"),
        ("{partition_name: edge, resource: v1}", "logs/edge"),
        ("{partition_name: '', resource: v1}", "v1"),
    ] {
        let options = posted(&format!("decision_logs: {text}"));
        assert_eq!(options.resource, want, "{text}");
    }
}

#[test]
fn what_has_no_effect_is_named() {
    for (text, want) in [
        (
            "decision_logs: {mask_decision: a/b}",
            "`decision_logs` names nobody who gets records: nothing is logged",
        ),
        (
            "nd_builtin_cache: true",
            "`nd_builtin_cache` has no effect without a decision log",
        ),
        (
            "decision_logs: {console: true}\nportcullis: {decision_logs: {spill: {directory: /s}}}",
            "`portcullis.decision_logs.spill` has no effect: no record is sent to a service",
        ),
        (
            "decision_logs: {console: true, resource_path: /x}",
            "`decision_logs.resource_path` has no effect, in OPA neither: it is called `resource`",
        ),
        (
            "services: {a: {url: 'https://a'}}\ndecision_logs: {reporting: {trigger: manual}}",
            "`decision_logs.reporting.trigger` is `manual`, and nothing here triggers it: no record is sent",
        ),
        (
            "decision_logs: {console: true, reporting: {upload_size_limit_bytes: 1}}",
            "`decision_logs.reporting.upload_size_limit_bytes` is out of bounds: 90 is used",
        ),
        (
            "decision_logs: {console: true}\nportcullis: {decision_logs: {redact: {off: true}}}",
            "`portcullis.decision_logs.redact.off` is on: tokens and passwords are in the decision log",
        ),
    ] {
        let warnings = yaml(text).unwrap().warnings;
        assert!(
            warnings.iter().any(|warning| warning == want),
            "{warnings:?}"
        );
    }
    assert!(
        yaml("decision_logs: {console: true}")
            .unwrap()
            .warnings
            .is_empty()
    );
}

#[test]
fn mistakes_are_named_with_the_rule() {
    name_the_rule(&[
        (
            "{plugin: mine}",
            "decision_logs.plugin: plugins of OPA cannot be used",
        ),
        (
            "{service: c}",
            "decision_logs.service: `services` has no `c`",
        ),
        (
            "{mask_decision: a//b}",
            "decision_logs.mask_decision: `a//b` names no rule",
        ),
        (
            "{drop_decision: ''}",
            "decision_logs.drop_decision: `` names no rule",
        ),
        (
            "{resource: a/../b}",
            "decision_logs.resource: `a/../b` is no path below a service",
        ),
        (
            "{partition_name: 'a#b'}",
            "decision_logs.partition_name: `a#b` is no path",
        ),
        (
            "{request_context: {http: {headers: ['a b']}}}",
            "decision_logs.request_context.http.headers[0]: `a b` is not the name of a header",
        ),
    ]);
}

#[test]
fn mistakes_in_reporting_are_named_with_the_rule() {
    name_the_rule(&[
        (
            "{reporting: {buffer_type: disk}}",
            "must be one of `size`, `event`",
        ),
        (
            "{reporting: {buffer_size_limit_events: 5}}",
            "decision_logs.reporting.buffer_size_limit_events: cannot stand beside the `buffer_type` `size`",
        ),
        (
            "{reporting: {buffer_type: event, buffer_size_limit_bytes: 5}}",
            "decision_logs.reporting.buffer_size_limit_bytes: cannot stand beside the `buffer_type` `event`",
        ),
        (
            "{reporting: {buffer_size_limit_bytes: 5, max_decisions_per_second: 1}}",
            "max_decisions_per_second: cannot stand beside `buffer_size_limit_bytes`",
        ),
        (
            "{reporting: {buffer_size_limit_bytes: 0}}",
            "must be an integer from 1",
        ),
        (
            "{reporting: {max_decisions_per_second: -1}}",
            "`-1` must be from 0 to 1e9",
        ),
        (
            "{reporting: {min_delay_seconds: 5}}",
            "decision_logs.reporting.max_delay_seconds: is missing beside `min_delay_seconds`",
        ),
        (
            "{reporting: {min_delay_seconds: 5, max_delay_seconds: 4}}",
            "`4` must not be less than `min_delay_seconds`",
        ),
        (
            "{reporting: {trigger: sometimes}}",
            "must be one of `periodic`, `manual`, `immediate`",
        ),
    ]);
}

fn name_the_rule(mistakes: &[(&str, &str)]) {
    for (text, want) in mistakes {
        let problems = yaml(&format!("{SERVICES}decision_logs: {text}")).unwrap_err();
        assert!(problems.contains(want), "{text}: {problems}");
        assert!(problems.starts_with("1 problem "), "{text}: {problems}");
    }
}

#[test]
fn mistakes_in_our_own_keys_are_named_and_hold_no_secret() {
    for (text, want) in [
        (
            "{file: {}}",
            "portcullis.decision_logs.file.path: is missing",
        ),
        (
            "{file: {path: /f, max_bytes: 1}}",
            "max_bytes: `1` must be an integer from 65536",
        ),
        (
            "{spill: {max_bytes: 65536}}",
            "portcullis.decision_logs.spill.directory: is missing",
        ),
        (
            "{sample: {allowed: 0}}",
            "sample.allowed: `0` must be an integer from 1",
        ),
        (
            "{redact: {headers: ['']}}",
            "redact.headers[0]: `` is not the name of a header",
        ),
        (
            "{redact: {parameters: ['']}}",
            "redact.parameters[0]: the name is empty",
        ),
        (
            "{redact: {key: s3cret}}",
            "redact.key: must have 16 bytes at least",
        ),
        (
            "{redact: {key: [s3cret]}}",
            "redact.key: must be text, found a list",
        ),
    ] {
        let problems = yaml(&format!("portcullis: {{decision_logs: {text}}}")).unwrap_err();
        assert!(problems.contains(want), "{text}: {problems}");
        assert!(!problems.contains("s3cret"), "{problems}");
    }
    let problems = yaml("portcullis: {telemetry: {queue: {records: 0, bytes: 1}}}").unwrap_err();
    assert!(problems.contains("queue.records") && problems.contains("queue.bytes"));
}

#[test]
fn keys_and_headers_are_never_shown() {
    let config = yaml(
        "portcullis: {decision_logs: {redact: {key: a-s3cret-of-16-bytes}, \
         otlp: {type: http, address: 'a:1', headers: {x: s3cret}}}}",
    )
    .unwrap();
    assert!(config.decision_logs.is_some());
    let shown = format!("{} {config:?}", config.redacted());
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("a:1"), "{shown}");
}
