//! The sink that gives entries to a collector of OpenTelemetry, as log records.
//!
//! The body of a record is the event as JSON text; what is searched for stands beside it as attributes.
//! A batch is tried until the collector takes or rejects it, and halved when it is too large; what waits
//! meanwhile is bounded in records and in bytes, and what finds no room is dropped and counted.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
};

use super::{Entry, Sink};
use crate::{
    clock::Clock,
    outcome::Answer,
    telemetry::{
        Metrics,
        decision_log::{Sink as Name, SinkCause},
        metrics::Waiting,
    },
    traces::otlp::{
        Batcher, Loss, Options, Origin, Patience, Settings, Signal, Tally, attribute, nanoseconds,
    },
};

/// Gives entries to a collector.
#[derive(Debug)]
pub struct Otlp(Batcher<LogSignal>);

impl Otlp {
    /// Sends entries to this collector, from a thread of their own. `clock` tells when the collector last
    /// took something.
    pub fn start(options: Options, metrics: &Arc<Metrics>, clock: Clock) -> io::Result<Self> {
        let tally = LogTally {
            waiting: metrics.decision_log().buffered(Name::Otlp),
            metrics: Arc::clone(metrics),
            clock,
        };
        let settings = Settings {
            what: "decisions",
            patience: Patience::Forever,
            bytes: MOST_BYTES,
            tally: Arc::new(tally),
        };
        Batcher::start(options, settings).map(Self)
    }
}

impl Sink for Otlp {
    fn offer(&mut self, entry: &Entry) {
        self.0.push(record(entry));
        self.0.hand_on_when_due();
    }

    fn idle(&mut self) {
        self.0.hand_on_when_due();
    }

    fn close(&mut self, deadline: Instant) {
        self.0.close(deadline);
    }

    fn finish(&mut self, deadline: Instant) {
        self.0.finish(deadline);
    }
}

fn record(entry: &Entry) -> LogRecord {
    let (severity, text) = match entry.answer {
        Answer::Allowed => (SeverityNumber::Info, "INFO"),
        Answer::Denied => (SeverityNumber::Warn, "WARN"),
        Answer::Error => (SeverityNumber::Error, "ERROR"),
    };
    let trace = entry.trace.as_ref();
    LogRecord {
        time_unix_nano: nanoseconds(entry.at),
        observed_time_unix_nano: nanoseconds(entry.at),
        severity_number: severity.into(),
        severity_text: text.to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(
                String::from_utf8_lossy(&entry.json).into_owned(),
            )),
        }),
        attributes: vec![
            attribute("portcullis.decision_id", entry.decision_id.as_str()),
            attribute("portcullis.outcome", entry.answer.as_str()),
        ],
        flags: trace.map_or(0, |trace| u32::from(trace.sampled)),
        trace_id: trace
            .map(|trace| trace.trace_id.to_vec())
            .unwrap_or_default(),
        span_id: trace
            .map(|trace| trace.span_id.to_vec())
            .unwrap_or_default(),
        event_name: EVENT.to_owned(),
        ..LogRecord::default()
    }
}

/// Log records, for the exporter.
#[derive(Debug)]
struct LogSignal;

impl Signal for LogSignal {
    type Item = LogRecord;
    type Request = ExportLogsServiceRequest;
    type Response = ExportLogsServiceResponse;

    const METHOD: &'static str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    const PATH: &'static str = "/v1/logs";

    fn request(origin: &Origin, items: Vec<LogRecord>) -> Self::Request {
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(origin.resource.clone()),
                scope_logs: vec![ScopeLogs {
                    scope: Some(origin.scope.clone()),
                    log_records: items,
                    schema_url: String::new(),
                }],
                schema_url: String::new(),
            }],
        }
    }

    fn rejected(response: &Self::Response) -> i64 {
        let partial = response.partial_success.as_ref();
        partial.map_or(0, |partial| partial.rejected_log_records)
    }
}

#[derive(Debug)]
struct LogTally {
    metrics: Arc<Metrics>,
    waiting: Waiting,
    clock: Clock,
}

impl Tally for LogTally {
    fn waits(&self, bytes: usize) {
        self.waiting.add(1, count(bytes));
    }

    fn gone(&self, items: u64, bytes: usize) {
        self.waiting.remove(items, count(bytes));
    }

    fn sent(&self, items: u64) {
        self.metrics.decision_log().sent(Name::Otlp, items);
    }

    fn lost(&self, why: Loss, items: u64) {
        let cause = match why {
            Loss::Full => SinkCause::BufferFull,
            Loss::TooLarge => SinkCause::TooLarge,
            Loss::Rejected => SinkCause::Rejected,
            Loss::Failed => SinkCause::WriteFailed,
            Loss::Shutdown => SinkCause::Shutdown,
        };
        self.metrics
            .decision_log()
            .dropped_by(Name::Otlp, cause, items);
    }

    fn failed(&self) {
        self.metrics.decision_log().failed(Name::Otlp);
    }

    fn succeeded(&self) {
        let now: Duration = self.clock.now().unix;
        self.metrics.decision_log().succeeded(Name::Otlp, now);
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The name of the event, for collectors that sort by it.
const EVENT: &str = "portcullis.decision";
/// Most bytes of records that wait.
const MOST_BYTES: usize = 64 << 20;
