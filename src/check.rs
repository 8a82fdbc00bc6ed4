//! Stage 1, and the whole line on one screen: what happens to one Check from arrival to answer.
//!
//! [`decide`] is the line itself, synchronous and without I/O: tests, benchmarks, `portcullis decide`
//! and the server all call it. Its answer depends on the policy, the keys, the request, what it knows
//! from outside and the time; so it may be run again whenever it ended early.
//! [`CheckService`] puts around it what a server needs: admission, isolation of slow checks and of
//! panics, waiting for what comes from outside, the answer and its event.

pub mod admission;
pub mod budget;
pub mod lane;

mod attempt;
mod service;

use crate::{
    decision::Decision,
    identity::{
        Identity, Xfcc,
        jwt::{self, JwtError, Presented},
    },
    input::{self, Plan, TokenDocument},
    median::Median,
    outcome::{CheckError, Outcome, Stage},
    policy::{Externals, Policy},
    request::RequestView,
};
use budget::Budget;

pub use service::{Call, CheckService, Knowledge, Options};

/// Everything checks are decided by: swapped as a whole, so no check mixes two policies.
#[derive(Debug)]
pub struct Active {
    policy: Policy,
    plan: Plan,
    /// How long its evaluations usually take.
    usual: Median,
}

impl Active {
    /// Pairs a policy with the input plan made from what it reads.
    pub fn new(policy: Policy, options: &input::Options) -> Self {
        let plan = Plan::new(policy.reads(), options);
        Self {
            policy,
            plan,
            usual: Median::default(),
        }
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
    /// On whose behalf.
    pub caller: Caller<'r>,
}

/// Who calls.
#[derive(Debug)]
pub struct Caller<'r> {
    /// The peer.
    pub identity: Identity<'r>,
    /// Its token; `None` when nobody wants to know.
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
    let caller = Caller { identity, token };
    let outcome = judge(active, request, &caller, externals, budget);
    Decided { outcome, caller }
}

fn judge(
    active: &Active,
    request: &RequestView<'_>,
    caller: &Caller<'_>,
    externals: &mut Externals,
    budget: &mut Budget,
) -> Outcome {
    budget.spend(Stage::Identity)?;
    let document = match &caller.token {
        None => Err(JwtError::Missing),
        Some(token) => match &token.token {
            Ok(verified) => Ok(&verified.document),
            Err(error) if token.denied => return Err(CheckError::Token(*error)),
            Err(error) => Err(*error),
        },
    };
    let input = active.plan.build(request, &caller.identity, document)?;
    budget.spend(Stage::Input)?;
    let evaluated = active
        .policy
        .evaluate_with(input, budget.limits(), externals);
    let in_time = budget.spend(Stage::Policy);
    let answer = evaluated?;
    in_time?;
    let mut decision = Decision::parse(&answer)?;
    if let Some(token) = &caller.token {
        decision.strip(&token.strip, request);
    }
    budget.spend(Stage::Response)?;
    Ok(decision)
}
