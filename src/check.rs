//! Stage 1, and the whole line on one screen: what happens to one Check from arrival to answer.
//!
//! [`decide`] is the line itself, synchronous and without I/O: tests, benchmarks, `portcullis decide`
//! and the server all call it. [`CheckService`] puts around it what a server needs: admission, one
//! policy snapshot, panic isolation, the answer and its event.

pub mod admission;
pub mod budget;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use http::HeaderMap;

use crate::{
    clock::Clock,
    decision::Decision,
    identity::Identity,
    input::{self, Plan},
    outcome::{CheckError, Outcome, Stage},
    policy::Policy,
    request::RequestView,
    response::{self, Reply, respond},
    snapshot::Snapshot,
    telemetry::{CheckDecided, Metrics, Seen, event::ActivePolicy},
};
use admission::Admission;
use budget::Budget;

/// Everything checks are decided by: swapped as a whole, so no check mixes two policies.
#[derive(Debug)]
pub struct Active {
    policy: Policy,
    plan: Plan,
}

impl Active {
    /// Pairs a policy with the input plan made from what it reads.
    pub fn new(policy: Policy, options: &input::Options) -> Self {
        let plan = Plan::new(policy.reads(), options);
        Self { policy, plan }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// Decides one request. Deterministic in its arguments while the budget lasts; a stage that ends
/// after the budget ends the check.
pub fn decide(active: &Active, request: &RequestView<'_>, budget: &mut Budget) -> Outcome {
    let identity = Identity::from_principal(request.source_principal());
    let input = active.plan.build(request, &identity)?;
    budget.spend(Stage::Input)?;
    let answer = active.policy.evaluate(input, budget.limits())?;
    budget.spend(Stage::Policy)?;
    let decision = Decision::parse(&answer)?;
    budget.spend(Stage::Response)?;
    Ok(decision)
}

/// How checks are answered; fixed by configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time and instructions.
    pub budget: budget::Options,
    /// The form of the answers.
    pub response: response::Options,
    /// Checks in flight at once; more are shed.
    pub max_in_flight: usize,
}

/// Answers checks; clones share everything.
#[derive(Clone, Debug)]
pub struct CheckService(Arc<Gate>);

#[derive(Debug)]
struct Gate {
    active: Snapshot<Active>,
    admission: Admission,
    metrics: Arc<Metrics>,
    options: Options,
    clock: Clock,
}

impl CheckService {
    /// A service that decides by whatever `active` holds when a check arrives.
    pub fn new(
        active: Snapshot<Active>,
        options: Options,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Gate {
            active,
            admission: Admission::new(options.max_in_flight),
            metrics,
            options,
            clock,
        }))
    }

    /// Answers one Check: wire bytes of the `CheckRequest` in, of the `CheckResponse` out. `metadata`
    /// is that of the gRPC call.
    ///
    /// # Errors
    /// A gRPC error only where `on_error: grpc_error` asks for one; never to say no.
    pub fn check(&self, metadata: &HeaderMap, request: &[u8]) -> Result<Bytes, tonic::Status> {
        let gate = &*self.0;
        let mut budget = Budget::of_call(&gate.options.budget, gate.clock, metadata);
        let decision_id = DecisionId::random();
        let answered = catch_unwind(AssertUnwindSafe(|| {
            gate.answer(request, &mut budget, &decision_id)
        }));
        let reply = answered.unwrap_or_else(|_panic| gate.answer_a_panic(&budget, &decision_id));
        match reply {
            Reply::Response(bytes) => Ok(bytes),
            Reply::GrpcError { code, message } => Err(tonic::Status::new(code, message)),
        }
    }
}

impl Gate {
    fn answer(&self, request: &[u8], budget: &mut Budget, decision_id: &DecisionId) -> Reply {
        let active = self.active.load();
        let active = active.as_deref();
        let check = match (self.admission.enter(), active) {
            (None, _) => Checked::unread(CheckError::Overload),
            (_, None) => Checked::unread(CheckError::NotReady),
            (Some(_in_flight), Some(active)) => {
                let _in_flight = self.metrics.enter();
                Checked::decide(active, request, budget)
            }
        };
        self.conclude(&check, active, budget, decision_id)
    }

    /// The denial of a check that panicked. What panicked may have been the log, so its event must
    /// not be able to take the answer away.
    fn answer_a_panic(&self, budget: &Budget, decision_id: &DecisionId) -> Reply {
        let check = Checked::unread(CheckError::Internal);
        let reply = self.reply(&check, decision_id);
        drop(catch_unwind(AssertUnwindSafe(|| {
            self.tell(&check, None, budget, decision_id);
        })));
        reply
    }

    /// The answer and the one event of a check.
    fn conclude(
        &self,
        check: &Checked<'_>,
        active: Option<&Active>,
        budget: &Budget,
        decision_id: &DecisionId,
    ) -> Reply {
        let reply = self.reply(check, decision_id);
        self.tell(check, active, budget, decision_id);
        reply
    }

    fn reply(&self, check: &Checked<'_>, decision_id: &DecisionId) -> Reply {
        respond(&check.outcome, decision_id.as_str(), &self.options.response)
    }

    fn tell(
        &self,
        check: &Checked<'_>,
        active: Option<&Active>,
        budget: &Budget,
        decision_id: &DecisionId,
    ) {
        CheckDecided {
            decision_id: decision_id.as_str(),
            outcome: &check.outcome,
            dry_run: self.options.response.dry_run,
            duration: budget.elapsed(),
            stages: budget.times(),
            request: check.seen,
            policy: active.map(|active| ActivePolicy {
                revision: active.policy.revision(),
                engine: active.policy.engine(),
            }),
        }
        .emit(&self.metrics);
    }
}

/// How one check ended and what is known of it.
struct Checked<'a> {
    outcome: Outcome,
    seen: Option<Seen<'a>>,
}

impl<'a> Checked<'a> {
    /// A check that ended before its request was read.
    fn unread(error: CheckError) -> Self {
        Self {
            outcome: Err(error),
            seen: None,
        }
    }

    fn decide(active: &Active, request: &'a [u8], budget: &mut Budget) -> Self {
        let view = match RequestView::parse(request) {
            Ok(view) => view,
            Err(error) => return Self::unread(error.into()),
        };
        let outcome = budget
            .spend(Stage::Request)
            .and_then(|()| decide(active, &view, budget));
        let principal = view.source_principal();
        let http = view.http();
        let seen = Seen {
            caller: (!principal.is_empty()).then_some(principal),
            method: http.map_or("", |http| http.method()),
            path: http.map_or("", |http| http.path()),
            host: http.map_or("", |http| http.host()),
        };
        Self {
            outcome,
            seen: Some(seen),
        }
    }
}

/// A UUID version 4 in text form, new for every check.
struct DecisionId([u8; uuid::fmt::Hyphenated::LENGTH]);

impl DecisionId {
    fn random() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
        Self(text)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
