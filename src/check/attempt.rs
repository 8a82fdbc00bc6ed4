//! One check on its way, and one attempt to decide it.
//!
//! An attempt runs on the line or in the slow lane, from the request's bytes to the answer and its
//! event, and never waits. It may end without an answer: then the check waits for what is missing and
//! is attempted again.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;

use super::{
    Active, Caller, Callers, Decided,
    budget::Budget,
    decide,
    lane::{self, Place},
    service::Gate,
};
use crate::{
    identity::{Identity, Xfcc, jwt::Presented},
    input::{TokenDocument, Value},
    outcome::{CheckError, Outcome, Stage},
    policy::{EvalError, Externals},
    request::RequestView,
    response::{Reply, respond},
    telemetry::{CheckDecided, DecisionId, Record, RecordedToken, Seen, SeenToken, Trace},
};

/// One check: all that an attempt needs, on whichever thread.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) request: Bytes,
    pub(super) budget: Budget,
    pub(super) decision_id: DecisionId,
    pub(super) externals: Externals,
    pub(super) trace: Option<Trace>,
}

impl Check {
    /// The same check for who stays and waits while it is attempted elsewhere.
    pub(super) fn left_behind(&self) -> Self {
        Self {
            request: self.request.clone(),
            budget: self.budget.clone(),
            decision_id: self.decision_id,
            externals: Externals::default(),
            trace: self.trace,
        }
    }
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Attempt {
    /// With the answer; its event is out.
    Answered(Reply),
    /// It belongs into the slow lane.
    ForTheLane,
    /// The evaluation has used up its slice of the line.
    TooLong,
    /// It needs the answer to this `http.send` first.
    Awaits(Value),
    /// Whoever waited for it has answered.
    TooLate,
}

/// The right to answer a check that went to the slow lane: there, or where its caller waits. Whoever
/// takes it first.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim(Arc<AtomicU8>);

impl Claim {
    const WAITS: u8 = 0;
    const RUNS: u8 = 1;
    const TAKEN: u8 = 2;

    /// Where the check is, if nobody has taken the right to answer it; now somebody has.
    pub(super) fn take(&self) -> Option<Stage> {
        match self.0.swap(Self::TAKEN, Ordering::AcqRel) {
            Self::WAITS => Some(Stage::Admission),
            Self::RUNS => Some(Stage::Policy),
            _ => None,
        }
    }

    fn run(&self) {
        let _where_it_was =
            self.0
                .compare_exchange(Self::WAITS, Self::RUNS, Ordering::AcqRel, Ordering::Acquire);
    }
}

impl Gate {
    /// Attempts to decide on the line.
    pub(super) fn on_the_line(&self, check: &mut Check) -> Attempt {
        self.attempt(check, None)
    }

    /// Attempts to decide in the slow lane, without any slice, for who holds `claim`.
    pub(super) fn in_the_lane(&self, check: &mut Check, claim: &Claim) -> Attempt {
        claim.run();
        let _running = self.metrics.run_long();
        self.attempt(check, Some(claim))
    }

    fn attempt(&self, check: &mut Check, lane: Option<&Claim>) -> Attempt {
        let attempted = catch_unwind(AssertUnwindSafe(|| self.try_to_answer(check, lane)));
        attempted.unwrap_or_else(|_panic| {
            if lane.is_some_and(|claim| claim.take().is_none()) {
                return Attempt::TooLate;
            }
            Attempt::Answered(self.answer_a_panic(check))
        })
    }

    fn try_to_answer(&self, check: &mut Check, lane: Option<&Claim>) -> Attempt {
        let active = self.knowledge.active.load();
        let active = active.as_deref();
        let Check {
            request,
            budget,
            decision_id,
            externals,
            trace,
        } = check;
        let conclude = |checked: Checked<'_>, budget: &Budget, externals: &mut Externals| {
            if lane.is_some_and(|claim| claim.take().is_none()) {
                return Attempt::TooLate;
            }
            let told = Told {
                request,
                budget,
                decision_id: *decision_id,
                trace: *trace,
                active,
            };
            Attempt::Answered(self.conclude(checked, mem::take(externals), &told))
        };
        let Some(policy) = active else {
            return conclude(Checked::unread(CheckError::NotReady), budget, externals);
        };
        budget.slice = None;
        if lane.is_some() {
            // It has waited for its turn.
            if let Err(error) = budget.spend(Stage::Admission) {
                return conclude(Checked::unread(error), budget, externals);
            }
        } else {
            let options = self.options.isolation;
            match options.place(policy.usual.get(), request.len()) {
                Place::Line(slice) => budget.slice = Some(slice),
                Place::Lane => return Attempt::ForTheLane,
            }
        }
        let view = match RequestView::parse(request) {
            Ok(view) => view,
            Err(error) => return conclude(Checked::unread(error.into()), budget, externals),
        };
        let checked = Checked::decide(policy, &self.knowledge.callers, &view, externals, budget);
        if checked.ended_with_its_slice(budget) {
            return Attempt::TooLong;
        }
        if let Some(request) = awaited(&checked, externals) {
            return Attempt::Awaits(request);
        }
        if decision_id.is_sample() {
            policy.note(&checked, budget);
        }
        conclude(checked, budget, externals)
    }

    /// The denial of a check that panicked. What panicked may have been its telling, which must not be
    /// able to take the answer away.
    pub(super) fn answer_a_panic(&self, check: &Check) -> Reply {
        let checked = Checked::unread(CheckError::Internal);
        let reply = self.reply(&checked, check.decision_id);
        drop(catch_unwind(AssertUnwindSafe(|| {
            self.tell(checked, Externals::default(), &check.told(None));
        })));
        reply
    }

    /// The answer and the one event of a check that was not begun.
    pub(super) fn turn_away(&self, error: CheckError, check: &Check) -> Reply {
        self.isolated(check, || {
            let active = self.knowledge.active.load();
            let told = check.told(active.as_deref());
            self.conclude(Checked::unread(error), Externals::default(), &told)
        })
    }

    /// The answer and the one event of a check that ended with `error` between two attempts.
    pub(super) fn give_up(&self, error: CheckError, check: &Check) -> Reply {
        self.isolated(check, || {
            let active = self.knowledge.active.load();
            let view = RequestView::parse(&check.request);
            let checked = match &view {
                Ok(view) => Checked {
                    seen: Some(seen(view, &Identity::of(view, self.knowledge.callers.xfcc))),
                    ..Checked::unread(error)
                },
                Err(_) => Checked::unread(error),
            };
            self.conclude(
                checked,
                Externals::default(),
                &check.told(active.as_deref()),
            )
        })
    }

    fn isolated(&self, check: &Check, conclude: impl FnOnce() -> Reply) -> Reply {
        catch_unwind(AssertUnwindSafe(conclude)).unwrap_or_else(|_panic| self.answer_a_panic(check))
    }

    /// The answer and the one event of a check.
    fn conclude(&self, checked: Checked<'_>, externals: Externals, told: &Told<'_>) -> Reply {
        let reply = self.reply(&checked, told.decision_id);
        self.tell(checked, externals, told);
        reply
    }

    fn reply(&self, checked: &Checked<'_>, decision_id: DecisionId) -> Reply {
        let options = &self.options.response;
        respond(&checked.outcome, decision_id.as_str(), options)
    }

    /// Counts the check, and hands it to who tells of it if anybody wants to know.
    fn tell(&self, checked: Checked<'_>, externals: Externals, told: &Told<'_>) {
        let duration = told.budget.elapsed();
        let decided = CheckDecided {
            outcome: &checked.outcome,
            duration,
            stages: told.budget.times(),
            request: checked.seen,
            token: checked.token.as_ref().map(seen_token),
        };
        let answer = decided.answer();
        let shed = decided.emit(&self.metrics);
        let sampled = told.trace.is_some_and(|trace| trace.sampled);
        if !sampled && !self.recorder.wants(answer) {
            return;
        }
        self.recorder.record(Box::new(Record {
            decision_id: told.decision_id,
            at: told.budget.now().unix,
            request: told.request.clone(),
            outcome: checked.outcome,
            dry_run: self.options.response.dry_run,
            duration,
            stages: told.budget.times().clone(),
            token: checked.token.map(recorded_token),
            policy: told
                .active
                .map(|active| Arc::clone(active.policy.provenance())),
            externals: if self.recorder.wants_externals() {
                externals
            } else {
                Externals::default()
            },
            trace: told.trace,
            shed,
        }));
    }
}

impl Check {
    fn told<'t>(&'t self, active: Option<&'t Active>) -> Told<'t> {
        Told {
            request: &self.request,
            budget: &self.budget,
            decision_id: self.decision_id,
            trace: self.trace,
            active,
        }
    }
}

/// What is told of a check beside how it ended.
struct Told<'t> {
    request: &'t Bytes,
    budget: &'t Budget,
    decision_id: DecisionId,
    trace: Option<Trace>,
    active: Option<&'t Active>,
}

impl Active {
    /// Notes how long an evaluation took that came to its end.
    fn note(&self, checked: &Checked<'_>, budget: &Budget) {
        if checked.outcome.is_ok()
            && let Some(time) = budget.evaluation()
        {
            // The first is all that is known; it alone sends nobody to the lane.
            let known = !self.usual.get().is_zero();
            self.usual.note(if known {
                time
            } else {
                time.min(lane::Options::SHORTEST)
            });
        }
    }

    /// How long an evaluation usually takes.
    pub(super) fn usual(&self) -> Duration {
        self.usual.get()
    }
}

/// How one check ended and what is known of it.
struct Checked<'r> {
    outcome: Outcome,
    seen: Option<Seen<'r>>,
    token: Option<Presented<'r, TokenDocument>>,
}

impl<'r> Checked<'r> {
    /// A check that ended before its request was read.
    fn unread(error: CheckError) -> Self {
        Self {
            outcome: Err(error),
            seen: None,
            token: None,
        }
    }

    fn decide(
        active: &Active,
        callers: &'r Callers,
        view: &'r RequestView<'_>,
        externals: &mut Externals,
        budget: &mut Budget,
    ) -> Self {
        let Decided {
            outcome,
            caller: Caller { identity, token },
        } = match budget.spend(Stage::Request) {
            Ok(()) => decide(active, callers, view, externals, budget),
            Err(error) => return Self::unread(error),
        };
        Self {
            outcome,
            seen: Some(seen(view, &identity)),
            token,
        }
    }

    fn ended_with_its_slice(&self, budget: &Budget) -> bool {
        budget.slice.is_some()
            && matches!(
                self.outcome,
                Err(CheckError::Evaluation(EvalError::TimeLimit))
            )
            && budget.has_more_than_its_slice()
    }
}

/// The call that the evaluation ended at, when another attempt may know its answer.
fn awaited(checked: &Checked<'_>, externals: &mut Externals) -> Option<Value> {
    match checked.outcome {
        Err(CheckError::Evaluation(EvalError::Awaits)) => externals.awaited(),
        Ok(_) | Err(_) => None,
    }
}

/// What is counted of a request.
fn seen<'r>(view: &'r RequestView<'_>, identity: &Identity<'r>) -> Seen<'r> {
    Seen {
        caller: (!identity.principal.is_empty()).then_some(identity.principal),
        host: view.http().map_or("", |http| http.host()),
        forwarded_client_cert: identity.peer.is_none() && view.header(Xfcc::HEADER).is_some(),
    }
}

/// What is counted of a token.
fn seen_token<'r>(token: &Presented<'r, TokenDocument>) -> SeenToken<'r> {
    SeenToken {
        provider: token.provider.map(|provider| &*provider.name),
        error: token.token.as_ref().err().copied(),
        cached: token.cached,
        nudge: token.nudge,
    }
}

/// What is told of a token.
fn recorded_token(token: Presented<'_, TokenDocument>) -> RecordedToken {
    RecordedToken {
        provider: token.provider.map(|provider| Arc::clone(&provider.name)),
        verified: token.token,
        cached: token.cached,
    }
}
