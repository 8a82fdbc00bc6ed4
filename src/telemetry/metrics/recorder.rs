//! The metrics of the recorder.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Label, registered};
use crate::telemetry::recorder::Overflow;

/// Every series, looked up once.
#[derive(Debug)]
pub(super) struct Recorder {
    records: Counter,
    bytes: Counter,
    pub(super) panics: Counter,
}

impl Recorder {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let dropped: Family<[Label; 1], Counter> = registered(
            registry,
            "recorder_dropped",
            "Checks that nobody could be told of, because too many were waiting",
        );
        let series = |cause: &str| dropped.get_or_create_owned(&[("cause", cause.to_owned())]);
        Self {
            records: series("queue_records"),
            bytes: series("queue_bytes"),
            panics: registered(
                registry,
                "recorder_panics",
                "Panics while checks were told of",
            ),
        }
    }

    pub(super) fn dropped(&self, overflow: Overflow) {
        match overflow {
            Overflow::Records => self.records.inc(),
            Overflow::Bytes => self.bytes.inc(),
        };
    }
}
