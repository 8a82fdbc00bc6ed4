//! The process log's line about a check, written off the line of the check.
//!
//! Denials and errors are shown at `info`, allows and most of many that were shed at `debug`. What the
//! line takes from a request is cut short, and credentials in it are masked; queries are left out.
//! Panics of the process are logged here too, where nothing can be taken away by that.

use std::{borrow::Cow, time::Instant};

use tracing::Level;

use super::{
    metrics::engine_name,
    panics,
    record::Recorded,
    recorder::{Consumer, Interest, Interested},
    text::{causes, present, shown, without_query},
};
use crate::{
    decision::Decision,
    outcome::{Answer, Stage},
    request::RequestView,
};

/// Of so many checks that are shed for one cause one is told at `info`.
const FEW: u64 = 1024;
/// The target of the log line.
pub const TARGET: &str = "portcullis::check";

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

/// Writes the lines.
#[derive(Debug)]
pub struct ProcessLog {
    _interested: Interested,
}

impl ProcessLog {
    /// Wants to hear of the checks that the level of the log shows.
    pub fn new(interest: &Interest) -> Self {
        let allowed = tracing::enabled!(target: TARGET, Level::DEBUG);
        let refused = tracing::enabled!(target: TARGET, Level::INFO);
        Self {
            _interested: interest.in_checks(allowed, refused),
        }
    }
}

impl Consumer for ProcessLog {
    fn idle(&mut self) {
        panics::log();
    }

    fn finish(&mut self, _deadline: Instant) {
        panics::log();
    }

    fn consume(&mut self, recorded: &Recorded<'_>) {
        let record = recorded.record;
        // When there are many that are shed, few are told.
        let is_quiet = match record.answer() {
            Answer::Allowed => true,
            Answer::Error => record.shed.is_some_and(is_one_of_many),
            Answer::Denied => false,
        };
        if is_quiet {
            if tracing::enabled!(target: TARGET, Level::DEBUG) {
                write_line!(Level::DEBUG, Line::of(recorded));
            }
        } else if tracing::enabled!(target: TARGET, Level::INFO) {
            write_line!(Level::INFO, Line::of(recorded));
        }
    }
}

fn is_one_of_many(nth: u64) -> bool {
    !nth.is_power_of_two() && !nth.is_multiple_of(FEW)
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

impl<'a> Line<'a> {
    fn of(recorded: &Recorded<'a>) -> Self {
        let record = recorded.record;
        let answer = record.answer();
        let http = recorded.request.as_ref().ok().and_then(RequestView::http);
        let token = record.token.as_ref();
        Self {
            decision_id: record.decision_id.as_str(),
            outcome: record.answered().as_str(),
            reason: record.reason().as_str(),
            would: record.dry_run.then(|| answer.as_str()),
            dry_run: record.dry_run.then_some(true),
            duration_us: u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
            budget_stage: record.budget_stage().map(Stage::as_str),
            peer: present(recorded.caller.principal),
            token_provider: token.and_then(|token| token.provider.as_deref()),
            token_error: token
                .and_then(|token| token.verified.as_ref().err())
                .map(|error| error.as_str()),
            method: http.and_then(|http| present(http.method())),
            host: http.and_then(|http| present(http.host())),
            path: http.and_then(|http| present(without_query(http.path()))),
            revision: record.policy.as_deref().map(|policy| &*policy.revision),
            engine: record
                .policy
                .as_deref()
                .map(|policy| engine_name(policy.engine)),
            policy_reason: record
                .outcome
                .as_ref()
                .ok()
                .and_then(Decision::reason)
                .map(shown),
            error: record.outcome.as_ref().err().map(|error| causes(error)),
        }
    }
}

#[cfg(test)]
mod tests;
