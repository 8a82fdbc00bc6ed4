//! The sink of the decision log: entries as log records.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    logs::v1::{LogRecord, SeverityNumber},
};
use portcullis::{
    clock::Clock,
    decision_log::{Entry, Sink, otlp::Otlp},
    outcome::Answer,
    telemetry::{DecisionId, Metrics, Trace, decision_log},
    traces::otlp::{Options, Protocol},
};

use crate::{
    collector::{Collector, Does, value},
    gate::{PATIENCE, count},
};

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

fn entry(answer: Answer, trace: Option<Trace>) -> Entry {
    Entry {
        json: Bytes::from_static(br#"{"decision_id":"a"}"#),
        at: Duration::from_secs(1_700_000_000),
        decision_id: DecisionId::random(),
        answer,
        trace,
    }
}

struct Log {
    sink: Otlp,
    metrics: Arc<Metrics>,
}

impl Log {
    fn new(options: Options) -> Self {
        let metrics = Metrics::new(None).with_decision_log(&[decision_log::Sink::Otlp]);
        let metrics = Arc::new(metrics);
        let sink = Otlp::start(options, &metrics, Clock::System).unwrap();
        Self { sink, metrics }
    }

    async fn finish(mut self, time: Duration) -> Arc<Metrics> {
        let finish = move || self.sink.finish(Instant::now() + time);
        tokio::task::spawn_blocking(finish).await.unwrap();
        for series in ["records", "bytes"] {
            let series = format!("portcullis_decision_log_buffered_{series}{{sink=\"otlp\"}} ");
            assert_eq!(count(&self.metrics, &series), 0);
        }
        self.metrics
    }
}

fn sent(metrics: &Metrics) -> usize {
    count(
        metrics,
        r#"portcullis_decision_log_sent_total{sink="otlp"} "#,
    )
}

fn lost(metrics: &Metrics, cause: &str) -> usize {
    let series =
        format!(r#"portcullis_decision_log_dropped_total{{sink="otlp",cause="{cause}"}} "#);
    count(metrics, &series)
}

/// The decisions that the collector has, in order.
fn ids(collector: &Collector) -> Vec<String> {
    let id = |record: &LogRecord| value(&record.attributes, "portcullis.decision_id").unwrap();
    collector.records().iter().map(id).collect()
}

#[tokio::test]
async fn an_entry_arrives_as_a_log_record_of_its_trace() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(protocol, Does::Takes).await;
        let mut log = Log::new(collector.options());
        let trace = Trace {
            trace_id: [7; 16],
            span_id: [9; 8],
            parent: None,
            sampled: true,
        };
        for (answer, trace) in [
            (Answer::Allowed, Some(trace)),
            (Answer::Denied, None),
            (Answer::Error, None),
        ] {
            log.sink.offer(&entry(answer, trace));
        }
        let metrics = log.finish(PATIENCE).await;
        assert_eq!(sent(&metrics), 3);
        let records = collector.records();
        let severities: Vec<_> = records.iter().map(LogRecord::severity_number).collect();
        let want = [
            SeverityNumber::Info,
            SeverityNumber::Warn,
            SeverityNumber::Error,
        ];
        assert_eq!(severities, want);
        let outcome = |at: usize| value(&records[at].attributes, "portcullis.outcome");
        assert_eq!(outcome(0).unwrap(), "allowed");
        assert_eq!(outcome(1).unwrap(), "denied");
        assert_eq!((records[0].trace_id.len(), records[0].flags), (16, 1));
        assert!(records[1].trace_id.is_empty() && records[1].span_id.is_empty());
        assert_eq!(records[0].time_unix_nano, 1_700_000_000_000_000_000);
        let body = records[0].body.clone().unwrap().value.unwrap();
        assert_eq!(
            body,
            Value::StringValue(r#"{"decision_id":"a"}"#.to_owned())
        );
    }
}

#[tokio::test]
async fn a_collector_that_comes_back_gets_what_waited_in_order() {
    let collector = Collector::start(Protocol::Grpc, Does::FailsFirst(2)).await;
    let mut options = collector.options();
    options.batch.size = 1;
    let mut log = Log::new(options);
    let entries: Vec<_> = (0..5).map(|_| entry(Answer::Denied, None)).collect();
    for entry in &entries {
        log.sink.offer(entry);
    }
    let metrics = log.finish(PATIENCE).await;
    assert_eq!(sent(&metrics), 5);
    let failures = r#"portcullis_decision_log_failures_total{sink="otlp"} "#;
    assert_eq!(count(&metrics, failures), 2);
    let want: Vec<_> = entries
        .iter()
        .map(|entry| entry.decision_id.as_str())
        .collect();
    assert_eq!(ids(&collector), want);
}

#[tokio::test]
async fn every_entry_that_is_lost_is_counted_with_its_cause() {
    for (does, change, want) in [
        (Does::Rejects(1), 0, [4, 0, 1, 0]),
        (Does::Refuses, 0, [0, 0, 5, 0]),
        (Does::Stalls, 0, [0, 0, 0, 5]),
        (Does::Stalls, 2, [0, 3, 0, 2]),
    ] {
        let collector = Collector::start(Protocol::Http, does).await;
        let mut options = collector.options();
        if change > 0 {
            options.batch.queue = change;
        }
        let mut log = Log::new(options);
        for _ in 0..5 {
            log.sink.offer(&entry(Answer::Denied, None));
        }
        let metrics = log.finish(Duration::from_millis(300)).await;
        let counted = [
            sent(&metrics),
            lost(&metrics, "buffer_full"),
            lost(&metrics, "rejected"),
            lost(&metrics, "shutdown"),
        ];
        assert_eq!(counted, want, "{does:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_for_a_collector_is_halved_and_arrives_in_order() {
    for protocol in PROTOCOLS {
        for (most, sends, calls) in [
            // At once; as 3 and 4; the 4 halved again; every one alone, taken or not.
            (7, 7, 1),
            (4, 7, 3),
            (3, 7, 5),
            (1, 7, 13),
            (0, 0, 13),
        ] {
            let collector = Collector::start(protocol, Does::TakesAtMost(most)).await;
            let mut log = Log::new(collector.options());
            let entries: Vec<_> = (0..7).map(|_| entry(Answer::Denied, None)).collect();
            for entry in &entries {
                log.sink.offer(entry);
            }
            let metrics = log.finish(PATIENCE).await;
            let counted = (sent(&metrics), lost(&metrics, "rejected"));
            assert_eq!(counted, (sends, 7 - sends), "{protocol:?} {most}");
            assert_eq!(collector.calls(), calls, "{protocol:?} {most}");
            let want: Vec<_> = entries
                .iter()
                .take(sends)
                .map(|entry| entry.decision_id.as_str().to_owned())
                .collect();
            assert_eq!(ids(&collector), want, "{protocol:?} {most}");
        }
    }
}

#[tokio::test]
async fn an_entry_that_is_always_too_large_is_lost_alone_and_holds_up_nobody() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(protocol, Does::TakesItemsUpTo(1_000)).await;
        let mut log = Log::new(collector.options());
        let large = Entry {
            json: Bytes::from(vec![b'a'; 1_001]),
            ..entry(Answer::Allowed, None)
        };
        for entry in [&entry(Answer::Denied, None), &large, &large] {
            log.sink.offer(entry);
        }
        log.sink.offer(&entry(Answer::Denied, None));
        let metrics = log.finish(PATIENCE).await;
        let counted = (sent(&metrics), lost(&metrics, "rejected"));
        assert_eq!(counted, (2, 2), "{protocol:?}");
        assert_eq!(collector.records().len(), 2, "{protocol:?}");
    }
}

#[tokio::test]
async fn an_entry_larger_than_collectors_take_is_lost_alone() {
    let collector = Collector::start(Protocol::Grpc, Does::Takes).await;
    let mut log = Log::new(collector.options());
    let large = |size: usize| Entry {
        json: Bytes::from(vec![b'a'; size]),
        ..entry(Answer::Allowed, None)
    };
    // Two of these are more than one request may hold.
    log.sink.offer(&large(2 << 20));
    log.sink.offer(&large(4 << 20));
    log.sink.offer(&large(2 << 20));
    let metrics = log.finish(PATIENCE).await;
    assert_eq!((sent(&metrics), lost(&metrics, "too_large")), (2, 1));
    assert_eq!(collector.calls(), 2);
}
