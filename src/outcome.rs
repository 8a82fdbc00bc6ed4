//! Stage 7: how a check ended, a decision or an error, and the closed set of reasons.
//!
//! The failure table stands here: every error has one [`Reason`], one HTTP status and one [`Answer`].
//! Nothing in it allows.

use std::{error::Error, fmt};

use crate::{
    decision::{Decision, MalformedDecision},
    input::InvalidInput,
    policy::EvalError,
    request::InvalidRequest,
};

/// How one check ended.
pub type Outcome = Result<Decision, CheckError>;

/// Why a check ended without a decision; one variant a stage.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The bytes are not a `CheckRequest`.
    #[error("the request cannot be read")]
    Request(#[from] InvalidRequest),
    /// No input document can be built.
    #[error("the request cannot be parsed")]
    Input(#[from] InvalidInput),
    /// The evaluation gave no decision.
    #[error("the policy gave no decision")]
    Evaluation(#[from] EvalError),
    /// The policy's answer is not a decision.
    #[error("the policy's decision is malformed")]
    Decision(#[from] MalformedDecision),
    /// The time budget was used up in this stage.
    #[error("the time budget was used up in stage `{}`", .0.as_str())]
    Budget(Stage),
    /// Shed by admission control.
    #[error("too many checks in flight")]
    Overload,
    /// No policy is active yet, or the server drains.
    #[error("not ready")]
    NotReady,
    /// A panic inside this check.
    #[error("internal error")]
    Internal,
}

impl CheckError {
    /// The reason of this error.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Request(_) | Self::Input(_) => Reason::Request,
            Self::Evaluation(error) => match error {
                EvalError::Undefined => Reason::Undefined,
                EvalError::Conflict(_) => Reason::Conflict,
                EvalError::Failed(_) | EvalError::InstructionLimit(_) => Reason::Evaluation,
                EvalError::TimeLimit => Reason::Budget,
            },
            Self::Decision(_) => Reason::MalformedDecision,
            Self::Budget(_) => Reason::Budget,
            Self::Overload => Reason::Overload,
            Self::NotReady => Reason::NotReady,
            Self::Internal => Reason::Internal,
        }
    }

    /// The HTTP status the caller gets.
    pub fn http_status(&self) -> u16 {
        match self.reason() {
            Reason::Request => 400,
            Reason::Policy
            | Reason::Undefined
            | Reason::Conflict
            | Reason::MalformedDecision
            | Reason::Evaluation => 403,
            Reason::Internal => 500,
            Reason::Budget | Reason::Overload | Reason::NotReady => 503,
        }
    }

    /// The stage that used up the time budget, when that is what happened.
    pub fn budget_stage(&self) -> Option<Stage> {
        match self {
            Self::Budget(stage) => Some(*stage),
            Self::Evaluation(EvalError::TimeLimit) => Some(Stage::Policy),
            Self::Evaluation(
                EvalError::Undefined
                | EvalError::Conflict(_)
                | EvalError::Failed(_)
                | EvalError::InstructionLimit(_),
            )
            | Self::Request(_)
            | Self::Input(_)
            | Self::Decision(_)
            | Self::Overload
            | Self::NotReady
            | Self::Internal => None,
        }
    }
}

/// Why a check ended as it did: the closed set behind the metric label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The policy decided.
    Policy,
    /// The policy has no value for this input.
    Undefined,
    /// The policy has several values for this input.
    Conflict,
    /// The policy's value is not a decision.
    MalformedDecision,
    /// The evaluation failed or used up its instructions.
    Evaluation,
    /// The request cannot be read or parsed.
    Request,
    /// The time budget is used up.
    Budget,
    /// Shed by admission control.
    Overload,
    /// No policy is active, or the server drains.
    NotReady,
    /// A panic.
    Internal,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Policy,
        Self::Undefined,
        Self::Conflict,
        Self::MalformedDecision,
        Self::Evaluation,
        Self::Request,
        Self::Budget,
        Self::Overload,
        Self::NotReady,
        Self::Internal,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Undefined => "undefined",
            Self::Conflict => "conflict",
            Self::MalformedDecision => "malformed_decision",
            Self::Evaluation => "evaluation",
            Self::Request => "request",
            Self::Budget => "budget",
            Self::Overload => "overload",
            Self::NotReady => "not_ready",
            Self::Internal => "internal",
        }
    }

    /// How a check that did not end in an allow is answered.
    pub fn answer(self) -> Answer {
        match self {
            Self::Policy
            | Self::Undefined
            | Self::Conflict
            | Self::MalformedDecision
            | Self::Evaluation
            | Self::Request
            | Self::Internal => Answer::Denied,
            Self::Budget | Self::Overload | Self::NotReady => Answer::Error,
        }
    }
}

/// What the caller is told: the metric label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Let through.
    Allowed,
    /// Refused.
    Denied,
    /// Not judged, because the server could not at that moment. Only these may be left to Envoy's
    /// `failOpen` and `statusOnError`, and only by configuration.
    Error,
}

impl Answer {
    /// How this outcome is answered.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Ok(Decision::Allow(_)) => Self::Allowed,
            Ok(Decision::Deny(_)) => Self::Denied,
            Err(error) => error.reason().answer(),
        }
    }

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

/// Displays an error with its causes, joined by `: `.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(cause) = error.source() {
            write!(f, ": {cause}")?;
            error = cause;
        }
        Ok(())
    }
}

/// The stages of the line, for budgets and timings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Waiting for admission.
    Admission,
    /// Reading the request.
    Request,
    /// Building the input document.
    Input,
    /// Evaluating the policy.
    Policy,
    /// Parsing the decision and encoding the response.
    Response,
}

impl Stage {
    /// Every stage, in the order of the line.
    pub const ALL: [Self; 5] = [
        Self::Admission,
        Self::Request,
        Self::Input,
        Self::Policy,
        Self::Response,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Request => "request",
            Self::Input => "input",
            Self::Policy => "policy",
            Self::Response => "response",
        }
    }
}

#[cfg(test)]
mod tests;
