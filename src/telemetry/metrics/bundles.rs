//! The metrics of bundles. Labels are the names in the configuration, closed sets, and the one
//! revision that is active.

mod opa;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use self::opa::AsOpa;
use super::{Label, age::Age, registered};
use crate::telemetry::bundles::{Answer, Stage, Timings};

type Timestamp = Gauge<f64, AtomicU64>;
type PerBundle<M> = Family<[Label; 1], M>;

/// Every family; series are made when a bundle is first heard of.
#[derive(Debug)]
pub(in crate::telemetry) struct Bundles {
    requests: Family<[Label; 2], Counter>,
    last_request: PerBundle<Timestamp>,
    last_success: PerBundle<Timestamp>,
    last_download: PerBundle<Timestamp>,
    last_activation: PerBundle<Timestamp>,
    age: PerBundle<Age>,
    old: PerBundle<Gauge>,
    failures: Family<[Label; 2], Counter>,
    info: Family<[Label; 2], Gauge>,
    size: PerBundle<Gauge>,
    duration: Family<[Label; 2], Histogram, fn() -> Histogram>,
    persistence_failures: PerBundle<Counter>,
    /// What [`Self::info`] shows.
    revisions: Mutex<BTreeMap<String, String>>,
    opa: Option<AsOpa>,
}

impl Bundles {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let made: fn() -> Histogram = durations;
        let duration = Family::new_with_constructor(made);
        registry.register(
            "bundle_duration_seconds",
            "Time that the steps from a source to the active policy take",
            duration.clone(),
        );
        let mut timestamp = |what: &str, help: &str| {
            registered(
                registry,
                &format!("bundle_last_{what}_timestamp_seconds"),
                help,
            )
        };
        Self {
            last_request: timestamp("request", "When the source of a bundle was last asked"),
            last_success: timestamp("success", "When the source of a bundle last answered"),
            last_download: timestamp("download", "When an archive of a bundle last came"),
            last_activation: timestamp("activation", "When a bundle last became active"),
            requests: registered(
                registry,
                "bundle_requests",
                "Requests for a bundle, by outcome",
            ),
            age: registered(
                registry,
                "bundle_age_seconds",
                "Time since the source of a bundle last answered, or since the start",
            ),
            old: registered(
                registry,
                "bundle_old",
                "Whether the source of a bundle has not answered for longer than `max_age`: 1, else 0",
            ),
            failures: registered(
                registry,
                "bundle_failures",
                "Bundles that did not become active, by where they ended",
            ),
            info: registered(
                registry,
                "bundle_info",
                "The active revision of a bundle; the value is always 1",
            ),
            size: registered(
                registry,
                "bundle_size_bytes",
                "Length of the archive of a bundle that came last",
            ),
            duration,
            persistence_failures: registered(
                registry,
                "bundle_persistence_failures",
                "Failed attempts to write a bundle to disk",
            ),
            revisions: Mutex::default(),
            opa: None,
        }
    }

    pub(super) fn show_as_opa(&mut self, registry: &mut Registry) {
        self.opa = Some(AsOpa::register(registry));
    }

    /// Shows the counters of `bundle` before anything happened; its age counts from `at`.
    pub(in crate::telemetry) fn expect(&self, bundle: &str, at: Duration) {
        for answer in Answer::ALL {
            drop(
                self.requests
                    .get_or_create_owned(&with(bundle, "outcome", answer.as_str())),
            );
        }
        for stage in Stage::ALL {
            drop(
                self.failures
                    .get_or_create_owned(&with(bundle, "stage", stage.as_str())),
            );
        }
        let bundle = of(bundle);
        drop(self.persistence_failures.get_or_create_owned(&bundle));
        self.old.get_or_create_owned(&bundle).set(0);
        self.age.get_or_create_owned(&bundle).set(at);
    }

    /// Takes away what would go on telling about `bundle`.
    pub(in crate::telemetry) fn forget(&self, bundle: &str) {
        if let Some(revision) = self.take_revision(bundle) {
            self.info.remove(&with(bundle, "revision", &revision));
            if let Some(opa) = &self.opa {
                opa.forget(bundle, &revision);
            }
        }
        let bundle = of(bundle);
        for family in [
            &self.last_request,
            &self.last_success,
            &self.last_download,
            &self.last_activation,
        ] {
            family.remove(&bundle);
        }
        self.age.remove(&bundle);
        self.old.remove(&bundle);
        self.size.remove(&bundle);
    }

    /// Counts a request.
    pub(in crate::telemetry) fn answered(&self, bundle: &str, answer: Answer, at: Duration) {
        self.requests
            .get_or_create_owned(&with(bundle, "outcome", answer.as_str()))
            .inc();
        let labels = of(bundle);
        set(&self.last_request, &labels, at);
        match answer {
            Answer::Downloaded => {
                set(&self.last_download, &labels, at);
                self.heard(&labels, at);
            }
            Answer::Unchanged => self.heard(&labels, at),
            Answer::Failed => {}
        }
        if let Some(opa) = &self.opa {
            opa.answered(bundle, answer, at);
        }
    }

    fn heard(&self, labels: &[Label; 1], at: Duration) {
        set(&self.last_success, labels, at);
        self.age.get_or_create_owned(labels).set(at);
    }

    /// Notes the length of an archive in bytes.
    pub(in crate::telemetry) fn size(&self, bundle: &str, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.size.get_or_create_owned(&of(bundle)).set(bytes);
    }

    /// Notes which revision is active.
    pub(in crate::telemetry) fn activated(&self, bundle: &str, revision: &str, at: Duration) {
        let before = self.take_revision(bundle);
        if let Some(before) = before.filter(|before| before != revision) {
            self.info.remove(&with(bundle, "revision", &before));
            if let Some(opa) = &self.opa {
                opa.forget(bundle, &before);
            }
        }
        self.info
            .get_or_create_owned(&with(bundle, "revision", revision))
            .set(1);
        set(&self.last_activation, &of(bundle), at);
        if let Some(opa) = &self.opa {
            opa.activated(bundle, revision, at);
        }
        let mut revisions = self
            .revisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        revisions.insert(bundle.to_owned(), revision.to_owned());
    }

    /// The labels that tell which revision of `bundle` is active; there is one at most.
    fn take_revision(&self, bundle: &str) -> Option<String> {
        let mut revisions = self
            .revisions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        revisions.remove(bundle)
    }

    /// Counts an attempt that ended without a change.
    pub(in crate::telemetry) fn failed(
        &self,
        bundle: &str,
        stage: Stage,
        http_status: Option<u16>,
    ) {
        self.failures
            .get_or_create_owned(&with(bundle, "stage", stage.as_str()))
            .inc();
        if let Some(opa) = &self.opa {
            opa.failed(bundle, stage, http_status);
        }
    }

    /// Counts an attempt after which the newest bundle is the active one.
    pub(in crate::telemetry) fn good(&self, bundle: &str) {
        if let Some(opa) = &self.opa {
            opa.loaded(bundle);
        }
    }

    /// Records how long the steps took.
    pub(in crate::telemetry) fn took(&self, bundle: &str, timings: &Timings) {
        for (stage, took) in timings.steps() {
            if let Some(took) = took {
                self.duration
                    .get_or_create_owned(&with(bundle, "stage", stage))
                    .observe(took.as_secs_f64());
            }
        }
        if let Some(opa) = &self.opa {
            opa.took(bundle, timings);
        }
    }

    /// Notes whether the source has been silent for too long.
    pub(in crate::telemetry) fn old(&self, bundle: &str, old: bool) {
        self.old.get_or_create_owned(&of(bundle)).set(old.into());
    }

    /// Counts a bundle that could not be written to disk.
    pub(in crate::telemetry) fn not_persisted(&self, bundle: &str) {
        self.persistence_failures
            .get_or_create_owned(&of(bundle))
            .inc();
    }
}

fn set(family: &PerBundle<Timestamp>, labels: &[Label; 1], at: Duration) {
    family.get_or_create_owned(labels).set(at.as_secs_f64());
}

fn of(bundle: &str) -> [Label; 1] {
    [("bundle", bundle.to_owned())]
}

fn with(bundle: &str, label: &'static str, value: &str) -> [Label; 2] {
    [("bundle", bundle.to_owned()), (label, value.to_owned())]
}

/// From a millisecond to two minutes.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 18))
}
