//! The spans of sampled checks, to where OpenTelemetry collects them.
//!
//! Runs on the recorder's thread, where the spans of a check are made of its record; what waits for
//! the collector is bounded, and what finds no room there or is not taken is counted
//! (`portcullis_spans_dropped_total`). No span shows a path, a header, a body or a token.

pub mod otlp;
mod span;

use std::{io, sync::Arc, time::Instant};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};

use self::otlp::{Batcher, Loss, Patience, Settings, Signal, Tally};
use crate::{
    response::OnError,
    telemetry::{Metrics, Recorded, metrics::SpanLoss, recorder::Consumer},
};

/// Where spans go, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The collector.
    pub collector: otlp::Options,
    /// The share of traces that is recorded where no caller has decided: from 0 to 1.
    pub ratio: f64,
}

/// Makes the spans of checks.
#[derive(Debug)]
pub struct Spans {
    batcher: Batcher<SpanSignal>,
    on_error: OnError,
}

impl Spans {
    /// Sends spans to this collector, from a thread of their own. `on_error` is how checks are answered
    /// that could not be judged.
    pub fn start(
        options: otlp::Options,
        on_error: OnError,
        metrics: &Arc<Metrics>,
    ) -> io::Result<Self> {
        let settings = Settings {
            what: "spans",
            patience: Patience::OneExport,
            bytes: MOST_BYTES,
            tally: Arc::new(SpanTally(Arc::clone(metrics))),
        };
        Ok(Self {
            batcher: Batcher::start(options, settings)?,
            on_error,
        })
    }
}

impl Consumer for Spans {
    fn consume(&mut self, recorded: &Recorded<'_>) {
        let batcher = &mut self.batcher;
        span::of_check(recorded, self.on_error, |span| batcher.push(span));
        batcher.hand_on_when_due();
    }

    fn idle(&mut self) {
        self.batcher.hand_on_when_due();
    }

    fn close(&mut self, deadline: Instant) {
        self.batcher.close(deadline);
    }

    fn finish(&mut self, deadline: Instant) {
        self.batcher.finish(deadline);
    }
}

/// Spans, for the exporter.
#[derive(Debug)]
struct SpanSignal;

impl Signal for SpanSignal {
    type Item = Span;
    type Request = ExportTraceServiceRequest;
    type Response = ExportTraceServiceResponse;

    const METHOD: &'static str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    const PATH: &'static str = "/v1/traces";

    fn request(origin: &otlp::Origin, items: Vec<Span>) -> Self::Request {
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(origin.resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(origin.scope.clone()),
                    spans: items,
                    schema_url: String::new(),
                }],
                schema_url: String::new(),
            }],
        }
    }

    fn rejected(response: &Self::Response) -> i64 {
        let partial = response.partial_success.as_ref();
        partial.map_or(0, |partial| partial.rejected_spans)
    }
}

#[derive(Debug)]
struct SpanTally(Arc<Metrics>);

impl Tally for SpanTally {
    fn sent(&self, items: u64) {
        self.0.spans().exported(items);
    }

    fn lost(&self, why: Loss, items: u64) {
        let cause = match why {
            Loss::Full => SpanLoss::QueueFull,
            Loss::TooLarge | Loss::Rejected | Loss::Failed | Loss::Shutdown => {
                SpanLoss::ExportFailed
            }
        };
        self.0.spans().dropped(cause, items);
    }
}

/// Most bytes of spans that wait; as many spans as may wait are far less.
const MOST_BYTES: usize = 64 << 20;
