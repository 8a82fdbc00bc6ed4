//! The metrics of `http.send`. Labels come from the configuration and from closed sets.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Label, histogram::Histogram, registered};
use crate::telemetry::http_send::SendResult;

/// Every series; those of a result are looked up once.
#[derive(Debug)]
pub(in crate::telemetry) struct HttpSend {
    results: [(SendResult, Counter); SendResult::ALL.len()],
    duration: Histogram,
    breaker_open: Family<[Label; 1], Gauge>,
    breaker_openings: Family<[Label; 1], Counter>,
    refused: AtomicU64,
}

impl HttpSend {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let results: Family<[Label; 1], Counter> = registered(
            registry,
            "http_send",
            "Calls of `http.send` that were answered, by result",
        );
        Self {
            results: SendResult::ALL.map(|result| {
                let label = [("result", result.as_str().to_owned())];
                (result, results.get_or_create_owned(&label))
            }),
            duration: registered(
                registry,
                "http_send_duration_seconds",
                "Time that calls of `http.send` take",
            ),
            breaker_open: registered(
                registry,
                "http_send_breaker_open",
                "Whether a host is left alone after failures: 1, else 0",
            ),
            breaker_openings: registered(
                registry,
                "http_send_breaker_openings",
                "How often a host has begun to be left alone",
            ),
            refused: AtomicU64::new(0),
        }
    }

    /// Counts a call.
    pub(in crate::telemetry) fn ended(&self, result: SendResult, duration: Duration) {
        self.duration.observe(duration);
        let counter = self.results.iter().find(|(of, _)| *of == result);
        if let Some((_, counter)) = counter {
            counter.inc();
        }
    }

    /// How many requests were refused, this one included.
    pub(in crate::telemetry) fn refused(&self) -> u64 {
        self.refused.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// Shows the metrics of `host` before anything happened.
    pub(in crate::telemetry) fn expect(&self, host: &str) {
        drop(self.breaker_openings.get_or_create_owned(&of(host)));
        self.closed(host);
    }

    /// Notes that `host` is left alone.
    pub(in crate::telemetry) fn opened(&self, host: &str) {
        self.breaker_openings.get_or_create_owned(&of(host)).inc();
        self.breaker_open.get_or_create_owned(&of(host)).set(1);
    }

    /// Notes that `host` is not left alone.
    pub(in crate::telemetry) fn closed(&self, host: &str) {
        self.breaker_open.get_or_create_owned(&of(host)).set(0);
    }
}

fn of(host: &str) -> [Label; 1] {
    [("host", host.to_owned())]
}
