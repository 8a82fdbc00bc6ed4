//! Stage 7: how a check ended, a decision or an error, and the closed set of reasons.

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
