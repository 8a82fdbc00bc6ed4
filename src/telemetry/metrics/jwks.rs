//! The metrics of key sets: fetches, and how old the keys are. Labels come from the configuration
//! and from closed sets.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Label, age::Age, registered};
use crate::telemetry::jwks::{FetchCause, FetchResult};

type PerProvider<M> = Family<[Label; 1], M>;

/// Every family; series are made when a provider is first heard of.
#[derive(Debug)]
pub(in crate::telemetry) struct Jwks {
    fetches: Family<[Label; 3], Counter>,
    last_success: PerProvider<Gauge<f64, AtomicU64>>,
    age: PerProvider<Age>,
    keys: PerProvider<Gauge>,
    persistence_failures: PerProvider<Counter>,
    /// Counted with the tokens.
    pub(super) throttled: PerProvider<Counter>,
}

impl Jwks {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self {
            fetches: registered(
                registry,
                "jwks_fetches",
                "Attempts to fetch a provider's keys, by cause and result",
            ),
            last_success: registered(
                registry,
                "jwks_last_success_timestamp_seconds",
                "When a provider's keys were last fetched or confirmed",
            ),
            age: registered(
                registry,
                "jwks_age_seconds",
                "Time since a provider's keys were last fetched or confirmed",
            ),
            keys: registered(registry, "jwks_keys", "Usable keys of a provider"),
            persistence_failures: registered(
                registry,
                "jwks_persistence_failures",
                "Failed attempts to write a provider's keys to disk",
            ),
            throttled: registered(
                registry,
                "jwks_unknown_kid_throttled",
                "Tokens with an unknown key that came too soon after a fetch to cause one, by provider",
            ),
        }
    }

    /// Shows the counters of `provider` before anything happened.
    pub(in crate::telemetry) fn expect(&self, provider: &str) {
        for cause in FetchCause::ALL {
            for result in FetchResult::ALL {
                drop(self.fetches_of(provider, cause, result));
            }
        }
        for counters in [&self.persistence_failures, &self.throttled] {
            drop(counters.get_or_create_owned(&of(provider)));
        }
    }

    /// Counts a fetch.
    pub(in crate::telemetry) fn fetched(
        &self,
        provider: &str,
        cause: FetchCause,
        result: FetchResult,
    ) {
        self.fetches_of(provider, cause, result).inc();
    }

    /// Notes that the keys of `provider` are as they were at its issuer `at` this time.
    pub(in crate::telemetry) fn fresh(&self, provider: &str, at: Duration) {
        let provider = of(provider);
        self.last_success
            .get_or_create_owned(&provider)
            .set(at.as_secs_f64());
        self.age.get_or_create_owned(&provider).set(at);
    }

    /// Notes how many keys of `provider` can be used.
    pub(in crate::telemetry) fn usable(&self, provider: &str, keys: usize) {
        let keys = i64::try_from(keys).unwrap_or(i64::MAX);
        self.keys.get_or_create_owned(&of(provider)).set(keys);
    }

    /// Counts keys that could not be written to disk.
    pub(in crate::telemetry) fn not_persisted(&self, provider: &str) {
        let failures = self.persistence_failures.get_or_create_owned(&of(provider));
        failures.inc();
    }

    fn fetches_of(&self, provider: &str, cause: FetchCause, result: FetchResult) -> Counter {
        self.fetches.get_or_create_owned(&[
            ("provider", provider.to_owned()),
            ("cause", cause.as_str().to_owned()),
            ("result", result.as_str().to_owned()),
        ])
    }
}

fn of(provider: &str) -> [Label; 1] {
    [("provider", provider.to_owned())]
}
