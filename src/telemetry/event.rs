//! The one event of a check: counted always, shown as one log line when the level wants it.
//!
//! Denials and errors are shown at `info`, allows and most of many that were shed at `debug`. What the line takes from a request is
//! cut short, and credentials in it are masked; queries are left out.

use std::{borrow::Cow, error::Error, time::Duration};

use tracing::Level;

use super::{
    metrics::{Metrics, engine_name},
    per::PerStage,
};
use crate::{
    chain::Chain,
    identity::jwt::{JwtError, Nudge},
    outcome::{Answer, Outcome, Reason, Stage},
    policy::Engine,
    redact,
};

/// Longest text from outside in a log line, in characters.
const MAX_TEXT: usize = 256;
/// Longest chain of causes in a log line, in characters.
const MAX_CHAIN: usize = 1024;
/// Of so many checks that are shed for one cause one is told at `info`.
const FEW: u64 = 1024;
/// The target of the log line.
pub const TARGET: &str = "portcullis::check";

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
    /// The id that the answer carries too.
    pub decision_id: &'a str,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Whether the answer was an allow whatever the outcome.
    pub dry_run: bool,
    /// From arrival to answer.
    pub duration: Duration,
    /// The stages on the way.
    pub stages: &'a StageTimes,
    /// The request; `None` when it was not read.
    pub request: Option<Seen<'a>>,
    /// The caller's token; `None` when nobody wanted to know.
    pub token: Option<SeenToken<'a>>,
    /// The policy; `None` when none was active.
    pub policy: Option<ActivePolicy<'a>>,
}

/// What a log line shows of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    /// The peer's identity as Envoy verified it; `None` for a caller without one.
    pub caller: Option<&'a str>,
    /// The HTTP method; empty for TCP checks.
    pub method: &'a str,
    /// The path; a query is cut off.
    pub path: &'a str,
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

/// Writes the line at a level, which `tracing` wants as a constant.
macro_rules! write_line {
    ($level:expr, $line:expr) => {{
        let line = $line;
        tracing::event!(
            target: TARGET,
            $level,
            decision_id = line.decision_id,
            outcome = line.outcome,
            reason = line.reason,
            would = line.would,
            dry_run = line.dry_run,
            duration_us = line.duration_us,
            budget.stage = line.budget_stage,
            peer.id = line.peer.as_deref(),
            token.provider = line.token_provider,
            token.error = line.token_error,
            http.method = line.method.as_deref(),
            http.host = line.host.as_deref(),
            http.path = line.path.as_deref(),
            policy.revision = line.revision,
            policy.engine = line.engine,
            policy.reason = line.policy_reason.as_deref(),
            error = line.error.as_deref(),
            "check decided"
        );
    }};
}

impl CheckDecided<'_> {
    /// Counts the check and, when the level wants it, writes its line.
    pub fn emit(&self, metrics: &Metrics) {
        let shed = metrics.check_decided(self);
        match self.answer() {
            // To write a line costs as much as to shed a check: when there are many, few are told.
            Answer::Error if shed.is_some_and(|nth| !nth.is_power_of_two() && nth % FEW != 0) => {
                if tracing::enabled!(target: TARGET, Level::DEBUG) {
                    write_line!(Level::DEBUG, self.line());
                }
            }
            Answer::Allowed => {
                if tracing::enabled!(target: TARGET, Level::DEBUG) {
                    write_line!(Level::DEBUG, self.line());
                }
            }
            Answer::Denied | Answer::Error => {
                if tracing::enabled!(target: TARGET, Level::INFO) {
                    write_line!(Level::INFO, self.line());
                }
            }
        }
    }

    /// What the outcome is answered with, dry-run apart.
    pub(super) fn answer(&self) -> Answer {
        Answer::of(self.outcome)
    }

    pub(super) fn reason(&self) -> Reason {
        match self.outcome {
            Ok(_) => Reason::Policy,
            Err(error) => error.reason(),
        }
    }

    pub(super) fn budget_stage(&self) -> Option<Stage> {
        self.outcome.as_ref().err()?.budget_stage()
    }

    fn line(&self) -> Line<'_> {
        let answer = self.answer();
        let decision = self.outcome.as_ref().ok();
        let error = self.outcome.as_ref().err();
        Line {
            decision_id: self.decision_id,
            outcome: if self.dry_run {
                Answer::Allowed
            } else {
                answer
            }
            .as_str(),
            reason: self.reason().as_str(),
            would: self.dry_run.then(|| answer.as_str()),
            dry_run: self.dry_run.then_some(true),
            duration_us: u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX),
            budget_stage: self.budget_stage().map(Stage::as_str),
            peer: self.request.and_then(|seen| seen.caller).map(shown),
            token_provider: self.token.and_then(|token| token.provider),
            token_error: self
                .token
                .and_then(|token| token.error)
                .map(JwtError::as_str),
            method: self.request.and_then(|seen| present(seen.method)),
            host: self.request.and_then(|seen| present(seen.host)),
            path: self
                .request
                .and_then(|seen| present(without_query(seen.path))),
            revision: self.policy.map(|policy| policy.revision),
            engine: self.policy.map(|policy| engine_name(policy.engine)),
            policy_reason: decision.and_then(|decision| decision.reason()).map(shown),
            error: error.map(|error| causes(error)),
        }
    }
}

/// The fields of the line.
struct Line<'a> {
    decision_id: &'a str,
    outcome: &'static str,
    reason: &'static str,
    would: Option<&'static str>,
    dry_run: Option<bool>,
    duration_us: u64,
    budget_stage: Option<&'static str>,
    peer: Option<Cow<'a, str>>,
    token_provider: Option<&'a str>,
    token_error: Option<&'static str>,
    method: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    path: Option<Cow<'a, str>>,
    revision: Option<&'a str>,
    engine: Option<&'static str>,
    policy_reason: Option<Cow<'a, str>>,
    error: Option<String>,
}

fn present(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then(|| shown(text))
}

/// A text from outside as a log line may show it.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    redact::tokens(cut(text, MAX_TEXT))
}

/// An error and its causes, as a log line may show them.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    redact::tokens(cut(&Chain(error).to_string(), MAX_CHAIN)).into_owned()
}

fn cut(text: &str, characters: usize) -> &str {
    let end = text.char_indices().nth(characters).map(|(end, _)| end);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
