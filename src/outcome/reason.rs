//! The closed sets behind the metric labels `reason` and `outcome`.

use super::Outcome;
use crate::decision::Decision;

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
    /// A provider denies requests without a valid token.
    Token,
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
    pub const ALL: [Self; 11] = [
        Self::Policy,
        Self::Undefined,
        Self::Conflict,
        Self::MalformedDecision,
        Self::Evaluation,
        Self::Token,
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
            Self::Token => "token",
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
            | Self::Token
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

impl Reason {
    /// Why this outcome is what it is.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Ok(_) => Self::Policy,
            Err(error) => error.reason(),
        }
    }
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
