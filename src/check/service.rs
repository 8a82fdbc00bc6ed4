//! What a server needs around the line: admission, waiting, and somebody who answers in the end.
//!
//! Promises that every check that is not given up by its caller gets one answer, closed on every
//! failure, when its budget ends at the latest, and that nothing here holds a thread while it waits.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use http::HeaderMap;

use super::{
    Active, Callers,
    admission::{self, Admission, Arrival},
    attempt::{Attempt, Check, Claim, DecisionId},
    budget::{self, Budget},
    lane::{self, Full, Lane},
};
use crate::{
    clock::Clock,
    outcome::{CheckError, Shed, Stage},
    policy::Externals,
    request::RequestView,
    response::{self, Reply},
    snapshot::Snapshot,
    telemetry::{CheckAbandoned, InFlight, Metrics},
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

/// Answers checks; clones share everything.
#[derive(Clone, Debug)]
pub struct CheckService(Arc<Gate>);

#[derive(Debug)]
pub(super) struct Gate {
    pub(super) active: Snapshot<Active>,
    pub(super) callers: Arc<Callers>,
    admission: Admission,
    lane: Lane,
    pub(super) metrics: Arc<Metrics>,
    pub(super) options: Options,
    clock: Clock,
}

/// One call of Check as it came in.
#[derive(Debug)]
pub struct Call<'c> {
    /// The metadata of the gRPC call.
    pub metadata: &'c HeaderMap,
    /// Wire bytes of the `CheckRequest`.
    pub request: Bytes,
    /// When it could have been worked on first: the time since is part of its budget.
    pub arrived: Instant,
}

impl CheckService {
    /// A service that decides by whatever `active` holds when a check arrives.
    pub fn new(
        active: Snapshot<Active>,
        callers: Arc<Callers>,
        options: Options,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Gate {
            active,
            callers,
            admission: Admission::new(options.admission),
            lane: Lane::new(options.isolation),
            metrics,
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
        let budget = Budget::of_call(options, gate.clock, call.metadata, call.arrived);
        let mut check = Check {
            request: call.request,
            budget,
            decision_id: DecisionId::random(),
            externals: Externals::default(),
        };
        let reply = match gate.enter(&check) {
            Ok(_in_flight) => {
                gate.wait_for_key(&mut check).await;
                match gate.on_the_line(&mut check) {
                    Attempt::Answered(reply) => reply,
                    Attempt::TooLong | Attempt::TooLate => Gate::take_long(gate, check).await,
                }
            }
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
        let usual = self.active.load().as_deref().map(Active::usual);
        let arrival = Arrival {
            waited,
            budget: check.budget.allowed(),
            left,
            usual: usual.unwrap_or_default(),
        };
        Ok(self.admission.enter(&self.metrics, arrival)?)
    }

    /// Where a provider wants it: gives a key that is being fetched some time to arrive, at most half
    /// of what is left. What comes of it is seen by the check itself.
    async fn wait_for_key(&self, check: &mut Check) {
        if !self.callers.tokens.waits_for_keys() {
            return;
        }
        let budget = &mut check.budget;
        let look = || {
            let view = RequestView::parse(&check.request).ok()?;
            self.callers.tokens.awaited_key(&view, budget.now())
        };
        let awaited = catch_unwind(AssertUnwindSafe(look)).ok().flatten();
        if let Some(key) = awaited {
            let half = budget.left().checked_div(2).unwrap_or_default();
            let mut waiting = Waiting::new(&self.metrics);
            key.arrives(half).await;
            waiting.is_over();
            // The check ends at its first stage when this took all there was.
            drop(budget.spend(Stage::Admission));
        }
    }

    /// Decides in the slow lane, and answers when the budget ends if that has not come to an end.
    async fn take_long(gate: &Arc<Self>, mut check: Check) -> Reply {
        let (decision_id, mut budget) = (check.decision_id, check.budget.clone());
        let request = check.request.clone();
        let claim = Claim::default();
        let (there, theirs) = (Arc::clone(gate), claim.clone());
        let work = gate
            .lane
            .run(move || there.in_the_lane(&mut check, &theirs));
        let mut work = std::pin::pin!(work);
        let mut waiting = Waiting::new(&gate.metrics);
        let in_time = tokio::time::timeout(budget.left(), work.as_mut()).await;
        let (done, stage) = match in_time {
            Ok(done) => (done, Stage::Policy),
            Err(_) => match claim.take() {
                // If it runs, its own limit is about to stop it.
                Some(stage) => (Ok(Attempt::TooLate), stage),
                // It is about to say how it ended.
                None => (work.await, Stage::Policy),
            },
        };
        waiting.is_over();
        let error = match done {
            Ok(Attempt::Answered(reply)) => return reply,
            Ok(Attempt::TooLong | Attempt::TooLate) => CheckError::Budget(stage),
            Err(Full) => Shed::Lane.into(),
        };
        drop(budget.spend(stage));
        gate.give_up(error, &request, &budget, &decision_id)
    }
}

/// Tells when a caller goes away while its check waits: nobody will be answered then.
struct Waiting<'m> {
    metrics: &'m Metrics,
    over: bool,
}

impl<'m> Waiting<'m> {
    fn new(metrics: &'m Metrics) -> Self {
        Self {
            metrics,
            over: false,
        }
    }

    fn is_over(&mut self) {
        self.over = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            CheckAbandoned.emit(self.metrics);
        }
    }
}
