//! One value for each stage, reason or cause, found by matching instead of hashing.

use crate::outcome::{Reason, Shed, Stage};

/// One value for each stage.
#[derive(Clone, Debug, Default)]
pub(super) struct PerStage<T> {
    admission: T,
    request: T,
    identity: T,
    input: T,
    policy: T,
    response: T,
}

impl<T> PerStage<T> {
    pub(super) fn new(mut make: impl FnMut(Stage) -> T) -> Self {
        Self {
            admission: make(Stage::Admission),
            request: make(Stage::Request),
            identity: make(Stage::Identity),
            input: make(Stage::Input),
            policy: make(Stage::Policy),
            response: make(Stage::Response),
        }
    }

    pub(super) fn get(&self, stage: Stage) -> &T {
        match stage {
            Stage::Admission => &self.admission,
            Stage::Request => &self.request,
            Stage::Identity => &self.identity,
            Stage::Input => &self.input,
            Stage::Policy => &self.policy,
            Stage::Response => &self.response,
        }
    }

    pub(super) fn get_mut(&mut self, stage: Stage) -> &mut T {
        match stage {
            Stage::Admission => &mut self.admission,
            Stage::Request => &mut self.request,
            Stage::Identity => &mut self.identity,
            Stage::Input => &mut self.input,
            Stage::Policy => &mut self.policy,
            Stage::Response => &mut self.response,
        }
    }
}

/// One value for each reason.
#[derive(Debug)]
pub(super) struct PerReason<T> {
    policy: T,
    undefined: T,
    conflict: T,
    malformed_decision: T,
    evaluation: T,
    token: T,
    request: T,
    budget: T,
    overload: T,
    not_ready: T,
    internal: T,
}

impl<T> PerReason<T> {
    pub(super) fn new(mut make: impl FnMut(Reason) -> T) -> Self {
        Self {
            policy: make(Reason::Policy),
            undefined: make(Reason::Undefined),
            conflict: make(Reason::Conflict),
            malformed_decision: make(Reason::MalformedDecision),
            evaluation: make(Reason::Evaluation),
            token: make(Reason::Token),
            request: make(Reason::Request),
            budget: make(Reason::Budget),
            overload: make(Reason::Overload),
            not_ready: make(Reason::NotReady),
            internal: make(Reason::Internal),
        }
    }

    pub(super) fn get(&self, reason: Reason) -> &T {
        match reason {
            Reason::Policy => &self.policy,
            Reason::Undefined => &self.undefined,
            Reason::Conflict => &self.conflict,
            Reason::MalformedDecision => &self.malformed_decision,
            Reason::Evaluation => &self.evaluation,
            Reason::Token => &self.token,
            Reason::Request => &self.request,
            Reason::Budget => &self.budget,
            Reason::Overload => &self.overload,
            Reason::NotReady => &self.not_ready,
            Reason::Internal => &self.internal,
        }
    }
}

/// One value for each cause of shedding.
#[derive(Debug)]
pub(super) struct PerShed<T> {
    in_flight: T,
    delay: T,
    deadline: T,
    lane: T,
}

impl<T> PerShed<T> {
    pub(super) fn new(mut make: impl FnMut(Shed) -> T) -> Self {
        Self {
            in_flight: make(Shed::InFlight),
            delay: make(Shed::Delay),
            deadline: make(Shed::Deadline),
            lane: make(Shed::Lane),
        }
    }

    pub(super) fn get(&self, cause: Shed) -> &T {
        match cause {
            Shed::InFlight => &self.in_flight,
            Shed::Delay => &self.delay,
            Shed::Deadline => &self.deadline,
            Shed::Lane => &self.lane,
        }
    }
}
