//! The one event of a check, as far as it is counted on the line; what is told of it beyond that is
//! made from its [`Record`](super::record::Record).

use std::time::Duration;

use super::{line::TARGET, metrics::Metrics, per::PerStage, text::present};
use crate::{
    identity::jwt::{JwtError, Nudge},
    outcome::{Answer, Outcome, Reason, Stage},
    policy::Engine,
};

/// A caller has gone away before its check was answered, while that waited.
#[derive(Clone, Copy, Debug)]
pub struct CheckAbandoned;

impl CheckAbandoned {
    /// Counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.check_abandoned();
    }
}

/// A check has been answered.
#[derive(Clone, Copy, Debug)]
pub struct CheckDecided<'a> {
    /// How it ended.
    pub outcome: &'a Outcome,
    /// From arrival to answer.
    pub duration: Duration,
    /// The stages on the way.
    pub stages: &'a StageTimes,
    /// The request; `None` when it was not read.
    pub request: Option<Seen<'a>>,
    /// The caller's token; `None` when nobody wanted to know.
    pub token: Option<SeenToken<'a>>,
}

/// What is counted of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    /// The peer's identity as Envoy verified it; `None` for a caller without one.
    pub caller: Option<&'a str>,
    /// The authority.
    pub host: &'a str,
    /// Whether the request has an `x-forwarded-client-cert` header.
    pub forwarded_client_cert: bool,
}

/// A caller has no principal: it came in plaintext, or through an ambient waypoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct PrincipalMissing<'a> {
    /// How many there were, this one included.
    pub(super) seen: u64,
    /// What it asked.
    pub(super) request: &'a Seen<'a>,
}

impl PrincipalMissing<'_> {
    /// Logs every time that the number has doubled: often enough to be found, never a flood.
    pub(super) fn emit(&self) {
        if self.seen.is_power_of_two() {
            tracing::info!(
                target: TARGET,
                callers = self.seen,
                forwarded_client_cert = self.request.forwarded_client_cert,
                http.host = present(self.request.host).as_deref(),
                "caller without a principal; in an ambient waypoint see portcullis.identity.xfcc"
            );
        }
    }
}

/// What became of a caller's token.
#[derive(Clone, Copy, Debug)]
pub struct SeenToken<'a> {
    /// The provider that it names, by the provider's own name.
    pub provider: Option<&'a str>,
    /// Why it was not verified.
    pub error: Option<JwtError>,
    /// Whether the result was remembered.
    pub cached: bool,
    /// What became of asking for an unknown key.
    pub nudge: Option<Nudge>,
}

/// The policy that decided.
#[derive(Clone, Copy, Debug)]
pub struct ActivePolicy<'a> {
    /// Its revision.
    pub revision: &'a str,
    /// What runs it.
    pub engine: Engine,
}

/// How long a check spent in each stage it came through.
#[derive(Clone, Debug, Default)]
pub struct StageTimes(PerStage<Option<Duration>>);

impl StageTimes {
    /// Adds to the time of one stage, which a check may come through more than once.
    pub fn record(&mut self, stage: Stage, time: Duration) {
        let before = self.0.get_mut(stage);
        *before = Some(before.unwrap_or_default().saturating_add(time));
    }

    /// The time in one stage; `None` when the check ended before it.
    pub fn get(&self, stage: Stage) -> Option<Duration> {
        *self.0.get(stage)
    }
}

impl CheckDecided<'_> {
    /// Counts the check; if it was shed, the how-many-th for its cause.
    pub fn emit(&self, metrics: &Metrics) -> Option<u64> {
        metrics.check_decided(self)
    }

    /// What the outcome is answered with, dry-run apart.
    pub fn answer(&self) -> Answer {
        Answer::of(self.outcome)
    }

    pub(super) fn reason(&self) -> Reason {
        Reason::of(self.outcome)
    }

    pub(super) fn budget_stage(&self) -> Option<Stage> {
        self.outcome.as_ref().err()?.budget_stage()
    }
}
