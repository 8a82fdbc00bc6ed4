//! Stage 7: how a check ended, a decision or an error, and the closed set of reasons.
//!
//! The failure table stands here: every error has one [`Reason`], one HTTP status and one [`Answer`].
//! Nothing in it allows.

mod reason;

pub use reason::{Answer, Reason};

use crate::{
    decision::{Decision, MalformedDecision},
    identity::jwt::JwtError,
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
    /// A provider denies requests whose token is missing or does not verify.
    #[error("no valid token: {}", .0.as_str())]
    Token(JwtError),
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
    #[error("shed by admission control")]
    Overload(#[from] Shed),
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
                EvalError::Failed(_)
                | EvalError::InstructionLimit(_)
                | EvalError::MemoryLimit(_)
                | EvalError::Awaits => Reason::Evaluation,
                EvalError::TimeLimit => Reason::Budget,
            },
            Self::Token(_) => Reason::Token,
            Self::Decision(_) => Reason::MalformedDecision,
            Self::Budget(_) => Reason::Budget,
            Self::Overload(_) => Reason::Overload,
            Self::NotReady => Reason::NotReady,
            Self::Internal => Reason::Internal,
        }
    }

    /// The HTTP status the caller gets.
    pub fn http_status(&self) -> u16 {
        match self.reason() {
            Reason::Request => 400,
            Reason::Token => 401,
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
                | EvalError::InstructionLimit(_)
                | EvalError::MemoryLimit(_)
                | EvalError::Awaits,
            )
            | Self::Request(_)
            | Self::Input(_)
            | Self::Token(_)
            | Self::Decision(_)
            | Self::Overload(_)
            | Self::NotReady
            | Self::Internal => None,
        }
    }
}

/// Why a check was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shed {
    /// The bound on checks in flight is reached.
    #[error("too many checks in flight")]
    InFlight,
    /// It waited too long for its turn.
    #[error("too many checks before it")]
    Delay,
    /// What is left of its budget is less than a check usually takes.
    #[error("not enough time left")]
    Deadline,
    /// Its evaluation takes long, and too many others do.
    #[error("too many long evaluations before it")]
    Lane,
}

impl Shed {
    /// Every cause.
    pub const ALL: [Self; 4] = [Self::InFlight, Self::Delay, Self::Deadline, Self::Lane];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Delay => "delay",
            Self::Deadline => "deadline",
            Self::Lane => "lane",
        }
    }
}

/// The stages of the line, for budgets and timings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Waiting: for admission, or for a key that is being fetched.
    Admission,
    /// Reading the request.
    Request,
    /// Finding out who calls: the token work.
    Identity,
    /// Building the input document.
    Input,
    /// Evaluating the policy.
    Policy,
    /// Parsing the decision and encoding the response.
    Response,
}

impl Stage {
    /// Every stage, in the order of the line.
    pub const ALL: [Self; 6] = [
        Self::Admission,
        Self::Request,
        Self::Identity,
        Self::Input,
        Self::Policy,
        Self::Response,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Request => "request",
            Self::Identity => "identity",
            Self::Input => "input",
            Self::Policy => "policy",
            Self::Response => "response",
        }
    }
}

#[cfg(test)]
mod tests;
