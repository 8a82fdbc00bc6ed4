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

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    decision::Decision,
    identity::{
        Identity, Xfcc,
        jwt::{self, JwtError, Presented},
    },
    input::{self, Plan, TokenDocument},
    median::Median,
    outcome::{CheckError, Outcome, Stage},
    policy::{Externals, Limits, Policy},
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

    /// The same, with what its first checks on so many threads would have to wait for done before:
    /// for the publisher, off the line. Leaves alone what is usual, because this is not.
    #[must_use]
    pub fn warmed(self, workers: usize) -> Self {
        if let Ok(request) = RequestView::parse(SAMPLE) {
            let identity = Identity::of(&request, Xfcc::default());
            let input = self.plan.build(&request, &identity, Err(JwtError::Missing));
            if let Ok(input) = input {
                self.policy.warm(&input, workers, WARM_LIMITS);
            }
        }
        self
    }

    /// Ends a policy that has been replaced here and not in a check: waits, at most some seconds,
    /// until no check holds it. To free the data of a large policy takes longer than a check may.
    ///
    /// For a thread that may block; whoever else holds the policy or its bundles ends them then.
    pub fn retire(replaced: Arc<Self>) {
        let begun = Instant::now();
        while Arc::strong_count(&replaced) > 1 && begun.elapsed() < LONGEST_CHECK {
            thread::sleep(Duration::from_millis(1));
        }
        drop(replaced);
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// A check as Envoy sends it for an HTTP/1.1 request with mTLS and a token.
const SAMPLE: &[u8] = include_bytes!("check/sample.pb");

/// No check holds a policy longer than its budget, which is far less.
const LONGEST_CHECK: Duration = Duration::from_secs(30);

/// How far the evaluations before the first check may go.
const WARM_LIMITS: Limits = Limits {
    time: Duration::from_millis(100),
    instructions: 1_000_000,
    memory: 64 << 20,
};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Entrypoint, LoadOptions, PolicyFile};

    fn active(rego: &str) -> Active {
        let file = PolicyFile {
            name: "policy.rego".to_owned(),
            data_path: Vec::new(),
            bytes: format!("package envoy.authz\n\n{rego}").into_bytes(),
        };
        let options = LoadOptions {
            entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
            v0_compatible: false,
            strict_builtin_errors: false,
        };
        let policy = Policy::load(&[file], &options).unwrap_or_else(|e| panic!("{e}"));
        Active::new(policy, &input::Options::default())
    }

    #[test]
    fn a_policy_that_is_retired_ends_when_the_last_check_lets_go_of_it() {
        let held = Arc::new(active("allow := true"));
        let (check, weak) = (Arc::clone(&held), Arc::downgrade(&held));
        thread::scope(|scope| {
            let retiring = scope.spawn(|| Active::retire(held));
            assert!(weak.upgrade().is_some());
            drop(check);
            retiring.join().unwrap();
            assert!(weak.upgrade().is_none());
        });
    }

    #[test]
    fn the_sample_is_a_request_that_policies_can_read() {
        let request = RequestView::parse(SAMPLE).unwrap();
        assert!(!request.source_principal().is_empty());
    }

    #[test]
    fn warming_runs_to_its_end_whatever_the_policy_does_and_changes_no_answer_and_no_median() {
        for rego in [
            "allow if input.attributes.request.http.method == \"GET\"",
            "allow if regex.match(`^/a/[0-9]+$`, input.attributes.request.http.path)",
            "allow if http.send({\"method\": \"get\", \"url\": \"http://h/\"}).status_code == 200",
            "allow if count([x | some x in numbers.range(1, 90000); some y in numbers.range(1, 90000); x == y]) > 0",
        ] {
            let before = active(rego);
            let after = active(rego).warmed(3);
            assert_eq!(after.usual(), Duration::ZERO, "{rego}");
            let ask = |active: &Active| {
                let input = input::Value::new_object();
                format!("{:?}", active.policy().evaluate(input, WARM_LIMITS))
            };
            assert_eq!(ask(&before), ask(&after), "{rego}");
        }
    }
}
