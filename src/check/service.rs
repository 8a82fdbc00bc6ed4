//! What a server needs around the line: admission, waiting, and somebody who answers in the end.
//!
//! Promises that every check that is not given up by its caller gets one answer, closed on every
//! failure, when its budget ends at the latest, and that nothing here holds a thread while it waits.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::HeaderMap;

use super::{
    Active, Callers,
    admission::{self, Admission, Arrival},
    attempt::{Attempt, Check, Claim},
    budget::{self, Budget},
    lane::{self, Full, Lane},
};
use crate::{
    clock::Clock,
    http_send,
    input::Value,
    outcome::{CheckError, Shed, Stage},
    policy::{EvalError, EvaluatorError, Externals},
    request::RequestView,
    response::{self, Reply},
    snapshot::Snapshot,
    telemetry::{CheckAbandoned, DecisionId, InFlight, Metrics, Recorder, Telemetry, Tracing},
};

/// How checks are answered; fixed by configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time, instructions and memory.
    pub budget: budget::Options,
    /// The form of the answers.
    pub response: response::Options,
    /// How much is taken on.
    pub admission: admission::Options,
    /// How long decisions are kept away from the others.
    pub isolation: lane::Options,
}

/// What decisions are made from.
#[derive(Clone, Debug)]
pub struct Knowledge {
    /// The policy, once there is one.
    pub active: Snapshot<Active>,
    /// Who may be believed.
    pub callers: Arc<Callers>,
    /// Sends what policies ask for.
    pub sends: http_send::Client,
}

/// Answers checks; clones share everything.
#[derive(Clone, Debug)]
pub struct CheckService(Arc<Gate>);

#[derive(Debug)]
pub(super) struct Gate {
    pub(super) knowledge: Knowledge,
    admission: Admission,
    lane: Lane,
    pub(super) metrics: Arc<Metrics>,
    pub(super) recorder: Recorder,
    tracing: Tracing,
    pub(super) options: Options,
    clock: Clock,
}

/// One call of Check as it came in.
#[derive(Debug)]
pub struct Call<'c> {
    /// The metadata of the gRPC call.
    pub metadata: &'c HeaderMap,
    /// When the call began: its `grpc-timeout` is counted from there.
    pub called: Instant,
    /// Wire bytes of the `CheckRequest`.
    pub request: Bytes,
    /// When its request was there: the time since is part of its budget.
    pub arrived: Instant,
}

impl CheckService {
    /// A service that decides by what is known when a check arrives.
    pub fn new(
        knowledge: Knowledge,
        options: Options,
        telemetry: impl Into<Telemetry>,
        clock: Clock,
    ) -> Self {
        let Telemetry {
            metrics,
            recorder,
            tracing,
        } = telemetry.into();
        Self(Arc::new(Gate {
            knowledge,
            admission: Admission::new(options.admission),
            lane: Lane::new(options.isolation),
            metrics,
            recorder,
            tracing,
            options,
            clock,
        }))
    }

    /// The time that [`Call::arrived`] is told in.
    pub fn now(&self) -> Instant {
        self.0.clock.instant()
    }

    /// Answers one Check with the wire bytes of a `CheckResponse`.
    ///
    /// # Errors
    /// A gRPC error only where `on_error: grpc_error` asks for one; never to say no.
    pub async fn check(&self, call: Call<'_>) -> Result<Bytes, tonic::Status> {
        let gate = &self.0;
        let options = &gate.options.budget;
        let budget = Budget::of_call(
            options,
            gate.clock,
            call.metadata,
            call.called,
            call.arrived,
        );
        let mut check = Check {
            request: call.request,
            budget,
            decision_id: DecisionId::random(),
            externals: Externals::default(),
            trace: gate.tracing.begin(call.metadata),
        };
        let reply = match gate.enter(&check) {
            Ok(_in_flight) => match gate.wait_for_key(&mut check).await {
                Ok(()) => Gate::decide(gate, check).await,
                Err(error) => gate.give_up(error, &check),
            },
            Err(error) => gate.turn_away(error, &check),
        };
        match reply {
            Reply::Response(bytes) => Ok(bytes),
            Reply::GrpcError { code, message } => Err(tonic::Status::new(code, message)),
        }
    }
}

impl Gate {
    fn enter(&self, check: &Check) -> Result<InFlight<'_>, CheckError> {
        let waited = check.budget.elapsed();
        let left = check.budget.left_of(waited);
        if left.is_zero() {
            return Err(CheckError::Budget(Stage::Admission));
        }
        if check.decision_id.is_sample() {
            self.admission.note(waited);
        }
        let usual = self.knowledge.active.load().as_deref().map(Active::usual);
        let arrival = Arrival {
            waited,
            budget: check.budget.allowed(),
            left,
            usual: usual.unwrap_or_default(),
            sample: check.decision_id.is_sample(),
        };
        Ok(self.admission.enter(&self.metrics, arrival)?)
    }

    /// Where a provider wants it: gives a key that is being fetched some time to arrive, at most half
    /// of what is left. What comes of it is seen by the check itself.
    async fn wait_for_key(&self, check: &mut Check) -> Result<(), CheckError> {
        if !self.knowledge.callers.tokens.waits_for_keys() {
            return Ok(());
        }
        let budget = &mut check.budget;
        let look = || {
            let view = RequestView::parse(&check.request).ok()?;
            self.knowledge
                .callers
                .tokens
                .awaited_key(&view, budget.now())
        };
        let awaited = catch_unwind(AssertUnwindSafe(look)).ok().flatten();
        let Some(key) = awaited else { return Ok(()) };
        let half = budget.left().checked_div(2).unwrap_or_default();
        let mut waiting = Waiting::new(&self.metrics);
        key.arrives(half).await;
        waiting.is_over();
        budget.spend(Stage::Admission)
    }

    /// Attempts a check on the line, where most are answered.
    async fn decide(gate: &Arc<Self>, mut check: Check) -> Reply {
        match gate.on_the_line(&mut check) {
            Attempt::Answered(reply) => reply,
            // Boxed: what the others never need makes no place in their futures.
            unfinished @ (Attempt::ForTheLane
            | Attempt::TooLong
            | Attempt::Awaits(_)
            | Attempt::TooLate) => {
                let left_behind = check.left_behind();
                let finished = AssertUnwindSafe(Self::finish(gate, check, unfinished));
                let finished = Box::pin(finished.catch_unwind()).await;
                finished.unwrap_or_else(|_panic| gate.answer_a_panic(&left_behind))
            }
        }
    }

    /// Goes on with a check that is not answered after its first attempt, until it is.
    async fn finish(gate: &Arc<Self>, mut check: Check, mut attempt: Attempt) -> Reply {
        let mut sends = 0_usize;
        let mut slices = 0_u8;
        loop {
            attempt = match attempt {
                Attempt::Answered(reply) => return reply,
                // Nobody else answers a check that came back from the lane.
                Attempt::TooLate => return gate.give_up(CheckError::Internal, &check),
                Attempt::Awaits(_) if sends == MOST_SENDS => {
                    let text = format!("it calls `http.send` more than {MOST_SENDS} times");
                    let error = EvalError::Failed(EvaluatorError(text));
                    return gate.give_up(error.into(), &check);
                }
                Attempt::Awaits(request) => {
                    sends = sends.saturating_add(1);
                    if let Err(error) = gate.send(&mut check, request).await {
                        return gate.give_up(error, &check);
                    }
                    if slices < MOST_SLICES {
                        gate.on_the_line(&mut check)
                    } else {
                        Attempt::ForTheLane
                    }
                }
                // The machine may have been elsewhere; first those whose turn it is now.
                Attempt::TooLong if slices < MOST_SLICES => {
                    slices = slices.saturating_add(1);
                    let mut waiting = Waiting::new(&gate.metrics);
                    tokio::task::yield_now().await;
                    waiting.is_over();
                    gate.on_the_line(&mut check)
                }
                Attempt::TooLong | Attempt::ForTheLane => {
                    match Self::take_long(gate, check).await {
                        Ok((returned, next)) => {
                            check = returned;
                            next
                        }
                        Err(reply) => return reply,
                    }
                }
            };
        }
    }

    /// Fetches the answer to one `http.send`. The time is the policy's.
    async fn send(&self, check: &mut Check, request: Value) -> Result<(), CheckError> {
        let mut waiting = Waiting::new(&self.metrics);
        let deadline = check.budget.deadline();
        let answer = self.knowledge.sends.send(&request, deadline).await;
        waiting.is_over();
        check.externals.answer(request, answer);
        check.budget.spend(Stage::Policy)
    }

    /// Attempts a check in the slow lane, and answers it when its budget ends before that does.
    async fn take_long(gate: &Arc<Self>, check: Check) -> Result<(Check, Attempt), Reply> {
        let mut left_behind = check.left_behind();
        let claim = Claim::default();
        let (there, theirs) = (Arc::clone(gate), claim.clone());
        let mut waiting = Waiting {
            metrics: &gate.metrics,
            claim: Some(&claim),
            over: false,
        };
        let left = left_behind.budget.left();
        let mut work = pin!(gate.lane.run(left, move || {
            let mut check = check;
            let attempt = there.in_the_lane(&mut check, &theirs);
            (check, attempt)
        }));
        let in_time = tokio::time::timeout(left, work.as_mut()).await;
        let done = match in_time {
            Ok(done) => done.map_err(|Full| Shed::Lane.into()),
            Err(_) => match claim.take() {
                // If it runs, its own limit is about to stop it.
                Some(stage) => Err(CheckError::Budget(stage)),
                // It is about to say how it ended.
                None => work.await.map_err(|Full| Shed::Lane.into()),
            },
        };
        waiting.is_over();
        done.map_err(|error| {
            let stage = error.budget_stage().unwrap_or(Stage::Admission);
            drop(left_behind.budget.spend(stage));
            gate.give_up(error, &left_behind)
        })
    }
}

/// Tells when a caller goes away while its check waits: nobody will be answered then.
struct Waiting<'m> {
    metrics: &'m Metrics,
    /// Taken with the caller, so that the lane decides for nobody.
    claim: Option<&'m Claim>,
    over: bool,
}

impl<'m> Waiting<'m> {
    fn new(metrics: &'m Metrics) -> Self {
        Self {
            metrics,
            claim: None,
            over: false,
        }
    }

    fn is_over(&mut self) {
        self.over = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over && self.claim.is_none_or(|claim| claim.take().is_some()) {
            CheckAbandoned.emit(self.metrics);
        }
    }
}

/// How often an evaluation gets another slice of the line before it goes to the slow lane.
const MOST_SLICES: u8 = 1;
/// Calls of `http.send` that one check may make, one after the other.
const MOST_SENDS: usize = 16;
