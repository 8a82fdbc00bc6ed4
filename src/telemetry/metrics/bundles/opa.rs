//! The metrics that OPA shows of bundles under `status.prometheus: true`, under its names and in its
//! units (nanoseconds), so that dashboards go on working.
//!
//! OPA's `message` is whatever text an error has; here it is one of a few: the step that failed, and
//! for a download the HTTP status.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    metrics::{
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use super::super::{Label, performance::BareCounter, registered};
use crate::telemetry::bundles::{Answer, Stage, Timings};

type Nanoseconds = Gauge<f64, AtomicU64>;

/// Every family.
#[derive(Debug)]
pub(super) struct AsOpa {
    loaded: Family<[Label; 1], BareCounter>,
    failed: Family<[Label; 3], BareCounter>,
    last_request: Family<[Label; 1], Nanoseconds>,
    last_success: Family<[Label; 1], Nanoseconds>,
    last_download: Family<[Label; 1], Nanoseconds>,
    last_activation: Family<[Label; 2], Nanoseconds>,
    duration: Family<[Label; 2], Histogram, fn() -> Histogram>,
}

impl AsOpa {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let made: fn() -> Histogram = durations;
        let duration = Family::new_with_constructor(made);
        registry.register(
            "bundle_loading_duration_ns",
            "Time that the steps of loading a bundle take",
            duration.clone(),
        );
        Self {
            loaded: registered(
                registry,
                "bundle_loaded_counter",
                "Attempts after which the newest bundle was active",
            ),
            failed: registered(
                registry,
                "bundle_failed_load_counter",
                "Attempts that failed, by the step",
            ),
            last_request: registered(
                registry,
                "last_bundle_request",
                "When a bundle was last asked for",
            ),
            last_success: registered(
                registry,
                "last_success_bundle_request",
                "When a request for a bundle was last answered",
            ),
            last_download: registered(
                registry,
                "last_success_bundle_download",
                "When a bundle was last downloaded",
            ),
            last_activation: registered(
                registry,
                "last_success_bundle_activation",
                "When a bundle last became active, with its revision",
            ),
            duration,
        }
    }

    pub(super) fn answered(&self, bundle: &str, answer: Answer, at: Duration) {
        set(&self.last_request, &of(bundle), at);
        match answer {
            Answer::Downloaded => {
                set(&self.last_success, &of(bundle), at);
                set(&self.last_download, &of(bundle), at);
            }
            Answer::Unchanged => set(&self.last_success, &of(bundle), at),
            Answer::Failed => {}
        }
    }

    pub(super) fn activated(&self, bundle: &str, revision: &str, at: Duration) {
        set(&self.last_activation, &revision_of(bundle, revision), at);
    }

    /// Takes away the series of a revision that is not active any more.
    pub(super) fn forget(&self, bundle: &str, revision: &str) {
        self.last_activation.remove(&revision_of(bundle, revision));
    }

    pub(super) fn loaded(&self, bundle: &str) {
        self.loaded.get_or_create_owned(&of(bundle)).inc();
    }

    pub(super) fn failed(&self, bundle: &str, stage: Stage, http_status: Option<u16>) {
        let message = match http_status {
            Some(status) => format!("{} {status}", stage.as_str()),
            None => stage.as_str().to_owned(),
        };
        let labels = [
            ("name", bundle.to_owned()),
            ("code", "bundle_error".to_owned()),
            ("message", message),
        ];
        self.failed.get_or_create_owned(&labels).inc();
    }

    pub(super) fn took(&self, bundle: &str, timings: &Timings) {
        for (stage, took) in [
            ("timer_bundle_request_ns", timings.download),
            ("timer_rego_load_bundles_ns", timings.read),
            ("timer_rego_module_compile_ns", timings.compile),
        ] {
            if let Some(took) = took {
                let labels = [("name", bundle.to_owned()), ("stage", stage.to_owned())];
                self.duration
                    .get_or_create_owned(&labels)
                    .observe(nanoseconds(took));
            }
        }
    }
}

fn set<const N: usize>(
    family: &Family<[Label; N], Nanoseconds>,
    labels: &[Label; N],
    at: Duration,
) {
    family.get_or_create_owned(labels).set(nanoseconds(at));
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

fn of(bundle: &str) -> [Label; 1] {
    [("name", bundle.to_owned())]
}

fn revision_of(bundle: &str, revision: &str) -> [Label; 2] {
    [
        ("name", bundle.to_owned()),
        ("active_revision", revision.to_owned()),
    ]
}

/// OPA's buckets: from a microsecond, twenty times twice as long.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(1000.0, 2.0, 20))
}
