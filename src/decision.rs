//! Stage 6: the policy's answer, parsed once into a typed value.
//!
//! Promises: an [`Permit`] comes out of [`Decision::parse`] and of nothing else; what a decision
//! carries can be sent to Envoy as it stands (names, values, statuses and sizes are checked here);
//! anything else is a [`MalformedDecision`] that names the key and the rule, and so a denial.
//!
//! Keys and types are those of opa-envoy, whose leniency is kept too: unknown keys are ignored, and
//! the keys of the other verdict are not looked at.

mod header;
mod keys;
mod malformed;
mod metadata;
mod query;
mod read;
mod status;
mod strip;

use std::sync::Arc;

pub use header::{AppendAction, Header, HeaderName};
pub use malformed::{MalformedDecision, Rule};
pub use metadata::{Json, Metadata};
pub use query::QueryParameter;
pub use status::HttpStatus;

use crate::input::Value;
use keys::Keys;

/// Longest body of a denial, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

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
///
/// Nothing outside this module can make one:
///
/// ```compile_fail,E0451
/// use portcullis::decision::{Decision, Permit};
/// let forged = Decision::Allow(Permit { reason: None, ..panic!() });
/// ```
///
/// ```compile_fail,E0277
/// fn needs_default<T: Default>() {}
/// needs_default::<portcullis::decision::Permit>();
/// ```
#[derive(Debug)]
pub struct Permit {
    request_headers: Vec<Header>,
    request_headers_to_remove: Vec<HeaderName>,
    response_headers: Vec<Header>,
    query_parameters_to_set: Vec<QueryParameter>,
    query_parameters_to_remove: Vec<String>,
    dynamic_metadata: Option<Metadata>,
    reason: Option<Arc<str>>,
}

/// A denial with what the caller is told.
#[derive(Debug)]
pub struct Denial {
    http_status: HttpStatus,
    headers: Vec<Header>,
    body: Option<Arc<str>>,
    dynamic_metadata: Option<Metadata>,
    reason: Option<Arc<str>>,
}

impl Decision {
    /// Reads a decision out of the policy's answer: a boolean, or an object with boolean `allowed`.
    pub fn parse(value: &Value) -> Result<Self, MalformedDecision> {
        match value {
            Value::Bool(true) => Keys::default().permit().map(Self::Allow),
            Value::Bool(false) => Keys::default().denial().map(Self::Deny),
            Value::Object(_) => {
                let keys = Keys::of(value);
                match keys.allowed {
                    Some(Value::Bool(true)) => keys.permit().map(Self::Allow),
                    Some(Value::Bool(false)) => keys.denial().map(Self::Deny),
                    Some(other) => Err(read::wrong_type("a boolean", other).at("allowed")),
                    None => Err(Rule::Missing.at("allowed")),
                }
            }
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Set(_)
            | Value::Undefined => Err(read::wrong_type("a boolean or an object", value).into()),
        }
    }

    /// The policy's own word for why; for the log.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Allow(permit) => permit.reason.as_deref(),
            Self::Deny(denial) => denial.reason(),
        }
    }

    /// What the policy hands to later filters.
    pub fn dynamic_metadata(&self) -> Option<&Metadata> {
        match self {
            Self::Allow(permit) => permit.dynamic_metadata(),
            Self::Deny(denial) => denial.dynamic_metadata(),
        }
    }
}

impl Permit {
    /// Headers to set on the request before it goes upstream.
    pub fn request_headers(&self) -> &[Header] {
        &self.request_headers
    }

    /// Headers to take off the request.
    pub fn request_headers_to_remove(&self) -> &[HeaderName] {
        &self.request_headers_to_remove
    }

    /// Headers to add to the response on its way down.
    pub fn response_headers(&self) -> &[Header] {
        &self.response_headers
    }

    /// Query parameters to set, percent-encoded.
    pub fn query_parameters_to_set(&self) -> &[QueryParameter] {
        &self.query_parameters_to_set
    }

    /// Names of query parameters to take off, percent-encoded.
    pub fn query_parameters_to_remove(&self) -> &[String] {
        &self.query_parameters_to_remove
    }

    /// What the policy hands to later filters.
    pub fn dynamic_metadata(&self) -> Option<&Metadata> {
        self.dynamic_metadata.as_ref()
    }

    /// Whether the request goes through as it came.
    pub fn changes_nothing(&self) -> bool {
        self.request_headers.is_empty()
            && self.request_headers_to_remove.is_empty()
            && self.response_headers.is_empty()
            && self.query_parameters_to_set.is_empty()
            && self.query_parameters_to_remove.is_empty()
    }
}

impl Denial {
    /// The status the caller gets; 403 unless the policy chose another.
    pub fn http_status(&self) -> HttpStatus {
        self.http_status
    }

    /// Headers of the answer.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The body of the answer.
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }

    /// What the policy hands to the access log.
    pub fn dynamic_metadata(&self) -> Option<&Metadata> {
        self.dynamic_metadata.as_ref()
    }

    /// The policy's own word for why.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

#[cfg(test)]
mod tests;
