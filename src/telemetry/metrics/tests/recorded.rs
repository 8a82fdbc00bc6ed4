//! What others tell of the decision log, the recorder, the live tail, traces and calls.

use std::collections::BTreeMap;

use super::{everything::shown, *};
use crate::telemetry::{
    decision_log::{Cause, Sink, SinkCause, Skip},
    grpc::{CallEnded, CallStarted, Code},
};

/// The series whose names start so, with their values, less those that are nothing.
fn counted(metrics: &Metrics, start: &str) -> BTreeMap<String, f64> {
    let shown = shown(metrics);
    let families = shown.iter().filter(|(name, _)| name.starts_with(start));
    let samples = families.flat_map(|(_, family)| &family.samples);
    let values = samples.map(|sample| {
        let labels = sample
            .labels
            .iter()
            .filter(|(name, _)| !name.starts_with("grpc_type"));
        let labels: Vec<_> = labels.map(|(_, value)| value.as_str()).collect();
        let name = sample.name.trim_start_matches("portcullis_");
        (format!("{name} {}", labels.join(" ")), sample.value)
    });
    values.filter(|(_, value)| *value != 0.0).collect()
}

fn told(expected: &[(&str, f64)]) -> BTreeMap<String, f64> {
    let expected = expected.iter();
    expected
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

#[test]
fn a_decision_log_is_shown_only_with_its_own_sinks() {
    let without = Metrics::new(None);
    without.decision_log().decided();
    assert!(!without.encode().contains("decision_log"));

    let one = Metrics::new(None).with_decision_log(&[Sink::File]);
    let before = one.encode();
    assert!(before.contains(r#"portcullis_decision_log_sent_total{sink="file"} 0"#));
    let log = one.decision_log();
    log.sent(Sink::Console, 1);
    log.failed(Sink::Otlp);
    log.dropped_by(Sink::Service, SinkCause::Rejected, 1);
    log.buffered(Sink::Service).add(1, 1);
    log.succeeded(Sink::Service, Duration::ZERO);
    assert_eq!(counted(&one, "portcullis_decision_log"), BTreeMap::new());
    for other in ["console", "service", "otlp"] {
        assert!(
            !one.encode().contains(&format!("sink=\"{other}\"")),
            "{other}"
        );
    }
}

#[test]
fn every_way_of_a_record_is_counted_by_itself() {
    let metrics = Metrics::new(None).with_decision_log(&Sink::ALL);
    let log = metrics.decision_log().clone();
    let mut expected = vec![("decision_log_decisions_total ".to_owned(), 1.0)];
    let mut count = 1;
    let mut next = |name: String| {
        count += 1;
        expected.push((name, f64::from(count)));
        u64::from(u32::try_from(count).unwrap())
    };
    log.decided();
    for cause in Cause::ALL {
        let n = next(format!("decision_log_dropped_total {} all", cause.as_str()));
        log.dropped(cause, n);
    }
    for sink in Sink::ALL {
        for cause in SinkCause::ALL {
            let labels = format!("{} {}", cause.as_str(), sink.as_str());
            log.dropped_by(
                sink,
                cause,
                next(format!("decision_log_dropped_total {labels}")),
            );
        }
        let sink_name = sink.as_str();
        log.sent(sink, next(format!("decision_log_sent_total {sink_name}")));
        let records = next(format!("decision_log_buffered_records {sink_name}"));
        let bytes = next(format!("decision_log_buffered_bytes {sink_name}"));
        let waiting = log.buffered(sink);
        waiting.add(records + 7, bytes + 9);
        waiting.remove(7, 9);
        let at = next(format!(
            "decision_log_last_success_timestamp_seconds {sink_name}"
        ));
        log.succeeded(sink, Duration::from_secs(at));
    }
    let records = next("decision_log_queue_records ".to_owned());
    let bytes = next("decision_log_queue_bytes ".to_owned());
    log.queue().set(records, bytes);
    log.spilled(next("decision_log_spilled_bytes ".to_owned()));
    assert_eq!(
        counted(&metrics, "portcullis_decision_log"),
        expected.into_iter().collect()
    );
    for skip in Skip::ALL {
        log.skipped(skip);
    }
    log.failed(Sink::Service);
    assert_eq!(
        counted(&metrics, "portcullis_decision_log_skipped"),
        told(&[
            ("decision_log_skipped_total sampled", 1.0),
            ("decision_log_skipped_total drop_decision", 1.0),
        ])
    );
    assert_eq!(
        counted(&metrics, "portcullis_decision_log_failures"),
        told(&[("decision_log_failures_total service", 1.0)])
    );
}

#[test]
fn losses_of_the_recorder_watchers_and_spans_are_counted() {
    let metrics = Metrics::new(None);
    for cause in [QueueFull::Records, QueueFull::Bytes, QueueFull::Bytes] {
        metrics.recorder().dropped(cause);
    }
    metrics.recorder().panicked();
    assert_eq!(
        counted(&metrics, "portcullis_recorder"),
        told(&[
            ("recorder_dropped_total queue_records", 1.0),
            ("recorder_dropped_total queue_bytes", 2.0),
            ("recorder_panics_total ", 1.0),
        ])
    );

    let first = metrics.observe().watch();
    let second = metrics.observe().watch();
    metrics.observe().lost(4);
    let watched = |watchers: f64| {
        let mut expected = told(&[("observe_lost_total ", 4.0)]);
        if watchers > 0.0 {
            expected.insert("observe_watchers ".to_owned(), watchers);
        }
        assert_eq!(counted(&metrics, "portcullis_observe"), expected);
    };
    watched(2.0);
    drop(first);
    watched(1.0);
    drop(second);
    watched(0.0);

    metrics.spans().exported(5);
    metrics.spans().dropped(SpanLoss::QueueFull, 6);
    metrics.spans().dropped(SpanLoss::ExportFailed, 7);
    assert_eq!(
        counted(&metrics, "portcullis_spans"),
        told(&[
            ("spans_exported_total ", 5.0),
            ("spans_dropped_total queue_full", 6.0),
            ("spans_dropped_total export_failed", 7.0),
        ])
    );
}

#[test]
fn calls_are_counted_by_the_code_that_grpc_has_for_their_end() {
    let metrics = Metrics::new(None);
    let service = r#"grpc_type="unary",grpc_service="envoy.service.auth.v3.Authorization",grpc_method="Check""#;
    has(
        &metrics,
        &format!("grpc_server_started_total{{{service}}} 0"),
    );
    let duration = Duration::from_millis(10);
    for (n, code) in Code::ALL.into_iter().enumerate() {
        let handled = |of| {
            format!(
                "grpc_server_handled_total{{{service},grpc_code=\"{}\"}} {of}",
                code.as_str()
            )
        };
        has(&metrics, &handled(0));
        CallStarted.emit(&metrics);
        CallEnded { code, duration }.emit(&metrics);
        has(&metrics, &handled(1));
        has(
            &metrics,
            &format!("grpc_server_started_total{{{service}}} {}", n + 1),
        );
    }
    let bucket =
        |le, n| format!("grpc_server_handling_seconds_bucket{{le=\"{le}\",{service}}} {n}");
    has(&metrics, &bucket("0.005", 0));
    has(&metrics, &bucket("0.01", 4));
    has(
        &metrics,
        &format!("grpc_server_handling_seconds_count{{{service}}} 4"),
    );
}

#[test]
fn the_expiry_of_a_certificate_is_shown_when_there_is_one() {
    let metrics = Metrics::new(None);
    let name = "portcullis_tls_certificate_expiry_timestamp_seconds";
    assert!(!metrics.encode().contains(name));
    for (expires, shown) in [(Some(5), vec![5.0]), (Some(7), vec![7.0]), (None, vec![])] {
        let expires = expires.map(Duration::from_secs);
        CertificateReplaced { expires }.emit(&metrics);
        let values = counted(&metrics, name).into_values();
        assert_eq!(values.collect::<Vec<_>>(), shown);
    }
}
