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
    telemetry::{CheckDecided, Metrics, Timings},
};
use admission::Admission;
use budget::Budget;

/// Everything one check is decided by: swapped as a whole, so no check mixes two policies.
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

/// Decides one `CheckRequest`, given as wire bytes. Deterministic in its arguments while the budget
/// lasts; each stage that ends after the budget ends the check with that stage named.
pub fn decide(
    active: &Active,
    request: &[u8],
    budget: &Budget,
    timings: &mut Timings,
) -> Outcome {
    let request = RequestView::parse(request)?;
    let identity = Identity::from_principal(request.source_principal());
    budget.spend(Stage::Request, timings)?;
    let input = active.plan.build(&request, &identity)?;
    budget.spend(Stage::Input, timings)?;
    let answer = active.policy.evaluate(input, budget.limits()?)?;
    budget.spend(Stage::Policy, timings)?;
    let decision = Decision::parse(&answer)?;
    budget.spend(Stage::Decision, timings)?;
    Ok(decision)
}
