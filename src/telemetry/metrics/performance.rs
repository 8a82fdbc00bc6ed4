//! opa-envoy's `enable-performance-metrics`, under its names, so that dashboards go on working.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, family::Family},
    registry::Registry,
};

use super::{Label, histogram::Histogram};
use crate::{outcome::Reason, telemetry::per::PerReason};

/// The two metrics.
#[derive(Debug)]
pub(super) struct Performance {
    duration: Histogram,
    errors: PerReason<BareCounter>,
}

/// A counter whose name does not end in `_total`, as those of OPA do not.
#[derive(Clone, Debug, Default)]
pub(super) struct BareCounter(Arc<AtomicU64>);

impl BareCounter {
    pub(super) fn inc(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Performance {
    pub(super) fn register(registry: &mut Registry, buckets: &[f64]) -> Self {
        let duration = Histogram::new(buckets);
        let handler = registry.sub_registry_with_label(("handler".into(), "check".into()));
        handler.register(
            "grpc_request_duration_seconds",
            "Duration of checks that ended in a decision",
            duration.clone(),
        );
        let errors = Family::<[Label; 1], BareCounter>::default();
        registry.register(
            "error_counter",
            "Checks that ended in an error",
            errors.clone(),
        );
        Self {
            duration,
            errors: PerReason::new(|reason| {
                errors.get_or_create_owned(&[("reason", code(reason).to_owned())])
            }),
        }
    }

    /// Counts a check: `error` is why it ended without a decision.
    pub(super) fn record(&self, error: Option<Reason>, duration: Duration) {
        match error {
            Some(reason) => {
                self.errors.get(reason).inc();
            }
            None => self.duration.observe(duration),
        }
    }
}

/// opa-envoy's code for the same trouble, our own where it has none.
fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::Undefined => "envoyauth_eval_error",
        Reason::Conflict => "eval_conflict_error",
        Reason::MalformedDecision => "envoyauth_result_error",
        Reason::Evaluation => "eval_internal_error",
        Reason::Request => "request_parse_error",
        Reason::Budget => "check_request_timeout",
        Reason::Policy | Reason::Token | Reason::Overload | Reason::NotReady | Reason::Internal => {
            reason.as_str()
        }
    }
}

impl TypedMetric for BareCounter {
    const TYPE: MetricType = MetricType::Unknown;
}

impl EncodeMetric for BareCounter {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.encode_gauge(&self.0.load(Relaxed))
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
