//! Which decisions somebody wants to see. What is asked for is bounded, because it is compared with
//! every decision.

use super::{decision::Decision, glob::Glob, proto, short};
use crate::outcome::{Answer, Reason};

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// Not an outcome.
    #[error("`{0}` is not an outcome")]
    Outcome(String),
    /// Not a reason.
    #[error("`{0}` is not a reason")]
    Reason(String),
    /// More than anybody types.
    #[error("a filter has at most {MOST_VALUES} values of at most {LONGEST} bytes")]
    TooLarge,
}

/// A filter that was found right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    outcomes: Vec<Answer>,
    reasons: Vec<Reason>,
    callers: Vec<Glob>,
    paths: Vec<Glob>,
    hosts: Vec<Glob>,
}

impl Filter {
    /// Checks what was asked for.
    pub fn of(asked: &proto::Filter) -> Result<Self, InvalidFilter> {
        let proto::Filter {
            outcome,
            reason,
            caller,
            path,
            host,
        } = asked;
        let texts = [outcome, reason, caller, path, host];
        let values = || texts.into_iter().flatten();
        if values().count() > MOST_VALUES || values().any(|text| text.len() > LONGEST) {
            return Err(InvalidFilter::TooLarge);
        }
        let globs = |patterns: &[String]| patterns.iter().map(|text| Glob::new(text)).collect();
        Ok(Self {
            outcomes: outcome
                .iter()
                .map(|name| answer(name))
                .collect::<Result<_, _>>()?,
            reasons: reason
                .iter()
                .map(|name| reason_of(name))
                .collect::<Result<_, _>>()?,
            callers: globs(caller),
            paths: globs(path),
            hosts: globs(host),
        })
    }

    /// Whether a check that was allowed may match.
    pub(super) fn includes_allowed(&self) -> bool {
        self.outcomes.is_empty() || self.outcomes.contains(&Answer::Allowed)
    }

    /// Whether this decision is wanted.
    pub(super) fn matches(&self, decision: &Decision) -> bool {
        let outcome =
            |wanted: &Answer| *wanted == decision.answered || Some(*wanted) == decision.would;
        any(&self.outcomes, outcome)
            && any(&self.reasons, |wanted| *wanted == decision.reason)
            && any(&self.callers, |glob| {
                glob.matches(&decision.caller) || glob.matches(&short(&decision.caller))
            })
            && any(&self.paths, |glob| glob.matches(&decision.path))
            && any(&self.hosts, |glob| glob.matches(&decision.host))
    }
}

/// One of several is enough, and none asks for nothing.
fn any<T>(wanted: &[T], matches: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(matches)
}

fn answer(name: &str) -> Result<Answer, InvalidFilter> {
    let mut all = [Answer::Allowed, Answer::Denied, Answer::Error].into_iter();
    all.find(|answer| answer.as_str() == name)
        .ok_or_else(|| InvalidFilter::Outcome(name.to_owned()))
}

fn reason_of(name: &str) -> Result<Reason, InvalidFilter> {
    let mut all = Reason::ALL.into_iter();
    all.find(|reason| reason.as_str() == name)
        .ok_or_else(|| InvalidFilter::Reason(name.to_owned()))
}

/// Most values of all fields together.
const MOST_VALUES: usize = 32;
/// Longest value in bytes; texts of a decision have 256 characters at most.
const LONGEST: usize = 1024;
