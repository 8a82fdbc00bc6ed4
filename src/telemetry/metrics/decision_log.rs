//! The metrics of the decision log. For every sink they add up: decisions = skipped + sent + dropped
//! (by it or before it) + waiting.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    Label,
    counters::Counters,
    registered,
    waiting::{Waiting, signed},
};
use crate::telemetry::decision_log::{Cause, Sink, SinkCause, Skip};

/// Every series of the sinks there are; clones share them. What is told of a sink that is not
/// configured is shown to nobody.
#[derive(Clone, Debug)]
pub struct DecisionLog {
    decided: Counter,
    skipped: Counters<Skip>,
    dropped: Counters<Cause>,
    queue: Waiting,
    spilled_bytes: Gauge,
    replayed: Counter,
    succeeded: Family<[Label; 1], Gauge<f64, AtomicU64>>,
    sinks: Arc<[(Sink, OfSink)]>,
}

/// The series of one sink.
#[derive(Debug)]
struct OfSink {
    sent: Counter,
    dropped: Counters<SinkCause>,
    failed: Counter,
    waiting: Waiting,
}

impl DecisionLog {
    /// No sink: nothing is shown.
    pub(super) fn none() -> Self {
        Self::register(&mut Registry::default(), &[])
    }

    pub(super) fn register(registry: &mut Registry, sinks: &[Sink]) -> Self {
        let skipped = registered(
            registry,
            "decision_log_skipped",
            "Decisions that were left out of the decision log as configured",
        );
        let dropped: Family<[Label; 2], Counter> = registered(
            registry,
            "decision_log_dropped",
            "Records that were lost, by whom and why",
        );
        let families = Families::register(registry);
        Self {
            decided: registered(
                registry,
                "decision_log_decisions",
                "Checks answered while a decision log is configured",
            ),
            skipped: Counters::of(&skipped, "cause", &Skip::ALL, Skip::as_str),
            dropped: Counters::new(&Cause::ALL, |cause| {
                dropped.get_or_create_owned(&lost("all", cause.as_str()))
            }),
            queue: Waiting {
                records: registered(
                    registry,
                    "decision_log_queue_records",
                    "Records that wait for the recorder",
                ),
                bytes: registered(
                    registry,
                    "decision_log_queue_bytes",
                    "Bytes that wait for the recorder",
                ),
            },
            spilled_bytes: registered(
                registry,
                "decision_log_spilled_bytes",
                "Bytes that wait on disk for a sink that is away",
            ),
            replayed: registered(
                registry,
                "decision_log_replayed",
                "Records of an earlier run that were found on disk",
            ),
            succeeded: registered(
                registry,
                "decision_log_last_success_timestamp_seconds",
                "When a sink last took something",
            ),
            sinks: sinks
                .iter()
                .map(|sink| (*sink, families.of(*sink, &dropped)))
                .collect(),
        }
    }

    /// Counts a check that was answered.
    pub fn decided(&self) {
        self.decided.inc();
    }

    /// Counts a decision that is left out.
    pub fn skipped(&self, cause: Skip) {
        self.skipped.add(cause, 1);
    }

    /// Counts `n` records that no sink gets.
    pub fn dropped(&self, cause: Cause, n: u64) {
        self.dropped.add(cause, n);
    }

    /// Counts `n` records that this sink does not get.
    pub fn dropped_by(&self, sink: Sink, cause: SinkCause, n: u64) {
        if let Some(of) = self.sink(sink) {
            of.dropped.add(cause, n);
        }
    }

    /// Counts `n` records that this sink took.
    pub fn sent(&self, sink: Sink, n: u64) {
        if let Some(of) = self.sink(sink) {
            of.sent.inc_by(n);
        }
    }

    /// Counts a write or an upload that failed and is tried again.
    pub fn failed(&self, sink: Sink) {
        if let Some(of) = self.sink(sink) {
            of.failed.inc();
        }
    }

    /// Notes a write or an upload that went well, at this time since the Unix epoch.
    pub fn succeeded(&self, sink: Sink, unix: Duration) {
        if self.sink(sink).is_some() {
            let at = self.succeeded.get_or_create_owned(&of(sink));
            at.set(unix.as_secs_f64());
        }
    }

    /// What waits for the recorder.
    pub fn queue(&self) -> &Waiting {
        &self.queue
    }

    /// What waits in this sink; of a sink that is not configured, something that is not shown.
    pub fn buffered(&self, sink: Sink) -> Waiting {
        self.sink(sink)
            .map(|of| of.waiting.clone())
            .unwrap_or_default()
    }

    /// Notes how much waits on disk.
    pub fn spilled(&self, bytes: u64) {
        self.spilled_bytes.set(signed(bytes));
    }

    /// Counts `n` records of an earlier run that were found on disk; no check of this one made them.
    pub fn replayed(&self, n: u64) {
        self.replayed.inc_by(n);
    }

    fn sink(&self, sink: Sink) -> Option<&OfSink> {
        let found = self.sinks.iter().find(|(of, _)| *of == sink);
        found.map(|(_, of)| of)
    }
}

/// What has one series for each sink.
struct Families {
    sent: Family<[Label; 1], Counter>,
    failed: Family<[Label; 1], Counter>,
    buffered_records: Family<[Label; 1], Gauge>,
    buffered_bytes: Family<[Label; 1], Gauge>,
}

impl Families {
    fn register(registry: &mut Registry) -> Self {
        Self {
            sent: registered(
                registry,
                "decision_log_sent",
                "Records that a sink took; a service, that it acknowledged",
            ),
            failed: registered(
                registry,
                "decision_log_failures",
                "Writes and uploads that failed and are tried again",
            ),
            buffered_records: registered(
                registry,
                "decision_log_buffered_records",
                "Records that wait in a sink",
            ),
            buffered_bytes: registered(
                registry,
                "decision_log_buffered_bytes",
                "Bytes that wait in a sink",
            ),
        }
    }

    fn of(&self, sink: Sink, dropped: &Family<[Label; 2], Counter>) -> OfSink {
        let label = of(sink);
        OfSink {
            sent: self.sent.get_or_create_owned(&label),
            dropped: Counters::new(&SinkCause::ALL, |cause| {
                dropped.get_or_create_owned(&lost(sink.as_str(), cause.as_str()))
            }),
            failed: self.failed.get_or_create_owned(&label),
            waiting: Waiting {
                records: self.buffered_records.get_or_create_owned(&label),
                bytes: self.buffered_bytes.get_or_create_owned(&label),
            },
        }
    }
}

fn of(sink: Sink) -> [Label; 1] {
    [("sink", sink.as_str().to_owned())]
}

fn lost(sink: &str, cause: &str) -> [Label; 2] {
    [("sink", sink.to_owned()), ("cause", cause.to_owned())]
}
