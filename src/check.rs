//! Stage 1, and the whole line on one screen: what happens to one Check from arrival to answer.
//!
//! [`decide`] is the line itself, synchronous and without I/O: tests, benchmarks, `portcullis decide`
//! and the server all call it. Its answer depends on the policy, the keys, the request and the time.
//! [`CheckService`] puts around it what a server needs: admission, one policy snapshot, panic
//! isolation, the answer and its event.

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
    identity::{
        Identity, Xfcc,
        jwt::{self, JwtError, Presented},
    },
    input::{self, Plan, TokenDocument},
    outcome::{CheckError, Outcome, Stage},
    policy::{Externals, Policy},
    request::RequestView,
    response::{self, Reply, respond},
    snapshot::Snapshot,
    telemetry::{CheckDecided, Metrics, Seen, SeenToken, event::ActivePolicy},
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

/// Verifies the tokens of callers.
pub type Tokens = jwt::Verifier<TokenDocument>;

/// Who may be believed, and how: all that identifies callers.
#[derive(Debug)]
pub struct Callers {
    /// Verifies tokens, with the keys that are current.
    pub tokens: Tokens,
    /// Whether a header may name the caller.
    pub xfcc: Xfcc,
}

/// Nobody but the peers that mTLS proves.
impl Default for Callers {
    fn default() -> Self {
        Self {
            tokens: Tokens::new(jwt::Options::default()),
            xfcc: Xfcc::default(),
        }
    }
}

/// How one request was decided, and on whose behalf.
#[derive(Debug)]
pub struct Decided<'r> {
    /// How it ended.
    pub outcome: Outcome,
    /// The peer.
    pub identity: Identity<'r>,
    /// The caller's token; `None` when nobody wants to know.
    pub token: Option<Presented<'r, TokenDocument>>,
}

/// Decides one request. Deterministic in its arguments while the budget lasts; a stage that ends
/// after the budget ends the check.
pub fn decide<'r>(
    active: &Active,
    callers: &'r Callers,
    request: &'r RequestView<'_>,
    externals: &mut Externals,
    budget: &mut Budget,
) -> Decided<'r> {
    let identity = Identity::of(request, callers.xfcc);
    let wanted = active.plan.reads_token() || callers.tokens.acts_alone();
    let token = wanted.then(|| callers.tokens.present(request, budget.now()));
    let outcome = judge(
        active,
        request,
        &identity,
        token.as_ref(),
        externals,
        budget,
    );
    Decided {
        outcome,
        identity,
        token,
    }
}

fn judge(
    active: &Active,
    request: &RequestView<'_>,
    identity: &Identity<'_>,
    token: Option<&Presented<'_, TokenDocument>>,
    externals: &mut Externals,
    budget: &mut Budget,
) -> Outcome {
    budget.spend(Stage::Identity)?;
    let document = match token {
        None => Err(JwtError::Missing),
        Some(token) => match &token.token {
            Ok(verified) => Ok(&verified.document),
            Err(error) if token.denied => return Err(CheckError::Token(*error)),
            Err(error) => Err(*error),
        },
    };
    let input = active.plan.build(request, identity, document)?;
    budget.spend(Stage::Input)?;
    let answer = active
        .policy
        .evaluate_with(input, budget.limits(), externals)?;
    budget.spend(Stage::Policy)?;
    let mut decision = Decision::parse(&answer)?;
    if let Some(token) = token {
        decision.strip(&token.strip, request);
    }
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
    callers: Arc<Callers>,
    admission: Admission,
    metrics: Arc<Metrics>,
    options: Options,
    clock: Clock,
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
    pub async fn check(
        &self,
        metadata: &HeaderMap,
        request: &[u8],
    ) -> Result<Bytes, tonic::Status> {
        let gate = &*self.0;
        let mut budget = Budget::of_call(&gate.options.budget, gate.clock, metadata);
        let waited = gate.wait_for_key(request, &mut budget).await;
        let decision_id = DecisionId::random();
        let answered = catch_unwind(AssertUnwindSafe(|| {
            gate.answer(waited, request, &mut budget, &decision_id)
        }));
        let reply = answered.unwrap_or_else(|_panic| gate.answer_a_panic(&budget, &decision_id));
        match reply {
            Reply::Response(bytes) => Ok(bytes),
            Reply::GrpcError { code, message } => Err(tonic::Status::new(code, message)),
        }
    }
}

impl Gate {
    /// Where a provider wants it: gives a key that is being fetched some time to arrive, at most half
    /// of what is left. What comes of it is seen by the check itself.
    async fn wait_for_key(&self, request: &[u8], budget: &mut Budget) -> Result<(), CheckError> {
        if !self.callers.tokens.waits_for_keys() {
            return Ok(());
        }
        let look = || {
            let view = RequestView::parse(request).ok()?;
            self.callers.tokens.awaited_key(&view, budget.now())
        };
        let awaited = catch_unwind(AssertUnwindSafe(look)).ok().flatten();
        let Some(key) = awaited else { return Ok(()) };
        let half = budget.left().checked_div(2).unwrap_or_default();
        key.arrives(half).await;
        budget.spend(Stage::Admission)
    }

    /// `waited` is how the time before this went.
    fn answer(
        &self,
        waited: Result<(), CheckError>,
        request: &[u8],
        budget: &mut Budget,
        decision_id: &DecisionId,
    ) -> Reply {
        let active = self.active.load();
        let active = active.as_deref();
        let unread = |error: CheckError, budget: &Budget| {
            self.conclude(&Checked::unread(error), active, budget, decision_id)
        };
        if let Err(error) = waited {
            return unread(error, budget);
        }
        let Some(_admitted) = self.admission.enter() else {
            return unread(CheckError::Overload, budget);
        };
        let Some(policy) = active else {
            return unread(CheckError::NotReady, budget);
        };
        let _in_flight = self.metrics.enter();
        let view = match RequestView::parse(request) {
            Ok(view) => view,
            Err(error) => return unread(error.into(), budget),
        };
        let check = Checked::decide(policy, &self.callers, &view, budget);
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
            token: check.token,
            policy: active.map(|active| ActivePolicy {
                revision: active.policy.revision(),
                engine: active.policy.engine(),
            }),
        }
        .emit(&self.metrics);
    }
}

/// How one check ended and what is known of it.
struct Checked<'r> {
    outcome: Outcome,
    seen: Option<Seen<'r>>,
    token: Option<SeenToken<'r>>,
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
        budget: &mut Budget,
    ) -> Self {
        let Decided {
            outcome,
            identity,
            token,
        } = match budget.spend(Stage::Request) {
            Ok(()) => decide(active, callers, view, &mut Externals::default(), budget),
            Err(error) => return Self::unread(error),
        };
        let http = view.http();
        let seen = Seen {
            caller: (!identity.principal.is_empty()).then_some(identity.principal),
            method: http.map_or("", |http| http.method()),
            path: http.map_or("", |http| http.path()),
            host: http.map_or("", |http| http.host()),
            forwarded_client_cert: identity.peer.is_none() && view.header(Xfcc::HEADER).is_some(),
        };
        let token = token.map(|token| SeenToken {
            provider: token.provider.map(|provider| &*provider.name),
            error: token.token.err(),
            cached: token.cached,
            nudge: token.nudge,
        });
        Self {
            outcome,
            seen: Some(seen),
            token,
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
