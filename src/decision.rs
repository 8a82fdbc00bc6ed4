//! Stage 6: the policy's answer, parsed once into a typed value.

use crate::input::Value;

/// What the policy decided. There is no default and no other way to get an [`Allow`](Self::Allow)
/// than [`Decision::parse`].
#[derive(Debug)]
pub enum Decision {
    /// Let the request through, with these changes.
    Allow(Permit),
    /// Refuse it, with this answer.
    Deny(Denial),
}

/// An allow with what the policy wants changed.
#[derive(Debug)]
pub struct Permit {
    _private: (),
}

/// A denial with what the caller is told.
#[derive(Debug)]
pub struct Denial {
    _private: (),
}

/// Why a policy's answer is not a decision.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MalformedDecision(pub String);

impl Decision {
    /// Reads a decision out of the policy's answer.
    pub fn parse(_value: &Value) -> Result<Self, MalformedDecision> {
        Err(MalformedDecision(String::new()))
    }
}
