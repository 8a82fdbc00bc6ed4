//! What this process counts before and beside its metrics: panics, and lines of its log that were lost.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::counter::ConstCounter,
    registry::Registry,
};

use crate::telemetry::{log, panics};

/// Reads the counts of the process.
#[derive(Debug)]
struct Own;

/// Shows them in `registry`.
pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Own));
}

impl Collector for Own {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, count) in [
            (
                "process_log_dropped",
                "Lines of the process log that were lost because nobody read standard error.",
                log::dropped_lines(),
            ),
            (
                "process_panics",
                "Panics anywhere in the process.",
                panics::seen(),
            ),
        ] {
            let counter = ConstCounter::new(count);
            let encoder = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(encoder)?;
        }
        Ok(())
    }
}
