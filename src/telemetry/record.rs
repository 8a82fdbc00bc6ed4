//! One answered check, owned: what is told of it off the line is made from this.
//!
//! On the line a record is put together from what is there already; whatever takes work (reading the
//! request again, the full input, text) is left to who reads it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{DecisionId, StageTimes, Trace};
use crate::{
    identity::{
        Identity, Xfcc,
        jwt::{JwtError, Verified},
    },
    input::TokenDocument,
    outcome::{Answer, Outcome, Reason, Stage},
    policy::{Externals, Provenance},
    request::{InvalidRequest, RequestView},
};

/// One answered check.
#[derive(Debug)]
pub struct Record {
    /// The id that the answer carries too.
    pub decision_id: DecisionId,
    /// When it was answered, since the Unix epoch.
    pub at: Duration,
    /// Wire bytes of the `CheckRequest`.
    pub request: Bytes,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the answer was an allow whatever the outcome.
    pub dry_run: bool,
    /// From arrival to answer.
    pub duration: Duration,
    /// The stages on the way.
    pub stages: StageTimes,
    /// The caller's token; `None` when nobody wanted to know.
    pub token: Option<RecordedToken>,
    /// The policy; `None` when none was active.
    pub policy: Option<Arc<Provenance>>,
    /// What the policy has asked of others.
    pub externals: Externals,
    /// Where it stands in a distributed trace.
    pub trace: Option<Trace>,
    /// If it was shed, the how-many-th for its cause.
    pub shed: Option<u64>,
}

/// Bytes of a long answer to `http.send`.
const ANSWER: usize = 256 * 1024;
/// Bytes of the rest of a record.
const REST: usize = 1024;

/// What became of a caller's token.
#[derive(Clone, Debug)]
pub struct RecordedToken {
    /// The provider that it names, by the provider's own name.
    pub provider: Option<Arc<str>>,
    /// The verified token, or why there is none.
    pub verified: Result<Arc<Verified<TokenDocument>>, JwtError>,
    /// Whether the result was remembered.
    pub cached: bool,
}

impl Record {
    /// What the outcome would be answered with outside dry-run.
    pub fn answer(&self) -> Answer {
        Answer::of(&self.outcome)
    }

    /// Bytes that it holds, about: its request, a kilobyte, and what others have answered as if each
    /// answer were long.
    pub fn weight(&self) -> usize {
        let answers = self.externals.answers().count();
        self.request
            .len()
            .saturating_add(answers.saturating_mul(ANSWER))
            .saturating_add(REST)
    }

    /// What it was answered with.
    pub fn answered(&self) -> Answer {
        if self.dry_run {
            Answer::Allowed
        } else {
            self.answer()
        }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        Reason::of(&self.outcome)
    }

    /// The stage that used up the time budget, when that is what happened.
    pub fn budget_stage(&self) -> Option<Stage> {
        self.outcome.as_ref().err()?.budget_stage()
    }

    /// The verified token as the input document shows it, or why there is none.
    pub fn token_document(&self) -> Result<&TokenDocument, JwtError> {
        match self.token.as_ref().map(|token| &token.verified) {
            Some(Ok(verified)) => Ok(&verified.document),
            Some(Err(error)) => Err(*error),
            None => Err(JwtError::Missing),
        }
    }
}

/// A record with its request read.
#[derive(Debug)]
pub struct Recorded<'r> {
    /// The record.
    pub record: &'r Record,
    /// The request, or why it cannot be read.
    pub request: &'r Result<RequestView<'r>, InvalidRequest>,
    /// Who calls; nobody when the request cannot be read.
    pub caller: Identity<'r>,
}

impl<'r> Recorded<'r> {
    /// Pairs a record with its request, as [`RequestView::parse`] read it.
    pub fn new(
        record: &'r Record,
        request: &'r Result<RequestView<'r>, InvalidRequest>,
        xfcc: Xfcc,
    ) -> Self {
        let caller = request.as_ref().map(|view| Identity::of(view, xfcc));
        Self {
            record,
            request,
            caller: caller.unwrap_or_default(),
        }
    }
}
