//! The metrics of callers' tokens.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Label, registered};
use crate::{
    identity::jwt::{JwtError, Nudge},
    telemetry::event::SeenToken,
};

/// Every series, looked up once; those of an unknown key have their provider's name.
#[derive(Debug)]
pub(super) struct Tokens {
    verified: Counter,
    failed: [(JwtError, Counter); JwtError::ALL.len()],
    remembered: Counter,
    throttled: Family<[Label; 1], Counter>,
}

impl Tokens {
    /// `throttled` is shown with the keys.
    pub(super) fn register(
        registry: &mut Registry,
        throttled: Family<[Label; 1], Counter>,
    ) -> Self {
        let results: Family<[Label; 1], Counter> = registered(
            registry,
            "token_verifications",
            "Requests whose token was looked at, by what came of it",
        );
        let result = |result: &str| results.get_or_create_owned(&[("result", result.to_owned())]);
        Self {
            verified: result("verified"),
            failed: JwtError::ALL.map(|error| (error, result(error.as_str()))),
            remembered: registered(
                registry,
                "token_cache_hits",
                "Tokens whose result was remembered from an earlier request",
            ),
            throttled,
        }
    }

    pub(super) fn record(&self, token: &SeenToken<'_>) {
        match token.error {
            None => {
                self.verified.inc();
            }
            Some(error) => {
                let counter = self.failed.iter().find(|(failed, _)| *failed == error);
                counter.map(|(_, counter)| counter.inc());
            }
        }
        if token.cached {
            self.remembered.inc();
        }
        match (token.nudge, token.provider) {
            (Some(Nudge::Throttled), Some(provider)) => {
                let label = [("provider", provider.to_owned())];
                self.throttled.get_or_create_owned(&label).inc();
            }
            (Some(Nudge::Accepted | Nudge::Throttled | Nudge::KnownUnknown) | None, _) => {}
        }
    }
}
