//! Stage 6: the policy's answer, parsed once into a typed value.
//!
//! Promises: an [`Permit`] comes out of [`Decision::parse`] and of nothing else; what a decision
//! carries can be sent to Envoy as it stands (names, values, statuses and sizes are checked here);
//! anything else is a [`MalformedDecision`] that names the key and the rule, and so a denial.
//!
//! Keys and types are those of opa-envoy, whose leniency is kept too: unknown keys are ignored, and
//! the keys of the other verdict are not looked at.

mod header;
mod malformed;
mod metadata;
mod query;
mod read;
mod status;

use std::sync::Arc;

pub use header::{AppendAction, Header, HeaderName};
pub use malformed::{MalformedDecision, Rule};
pub use metadata::{Json, Metadata};
pub use query::QueryParameter;
pub use status::HttpStatus;

use crate::input::Value;
use header::Place;

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

/// The keys of a decision object, not yet looked into.
#[derive(Default)]
struct Keys<'v> {
    allowed: Option<&'v Value>,
    headers: Option<&'v Value>,
    dynamic_metadata: Option<&'v Value>,
    reason: Option<&'v Value>,
    request_headers_to_remove: Option<&'v Value>,
    response_headers_to_add: Option<&'v Value>,
    query_parameters_to_set: Option<&'v Value>,
    query_parameters_to_remove: Option<&'v Value>,
    body: Option<&'v Value>,
    http_status: Option<&'v Value>,
}

impl<'v> Keys<'v> {
    fn of(decision: &'v Value) -> Self {
        let mut keys = Self::default();
        for (name, value) in read::entries(decision) {
            let Value::String(name) = name else { continue };
            let slot = match name.as_ref() {
                "allowed" => &mut keys.allowed,
                "headers" => &mut keys.headers,
                "dynamic_metadata" => &mut keys.dynamic_metadata,
                "reason" => &mut keys.reason,
                "request_headers_to_remove" => &mut keys.request_headers_to_remove,
                "response_headers_to_add" => &mut keys.response_headers_to_add,
                "query_parameters_to_set" => &mut keys.query_parameters_to_set,
                "query_parameters_to_remove" => &mut keys.query_parameters_to_remove,
                "body" => &mut keys.body,
                "http_status" => &mut keys.http_status,
                _ => continue,
            };
            *slot = Some(value);
        }
        keys
    }

    fn permit(self) -> Result<Permit, MalformedDecision> {
        let request_headers =
            optional(self.headers, "headers", |v| Header::list(v, Place::Request))?;
        let dynamic_metadata = self.metadata()?;
        Ok(Permit {
            request_headers: request_headers.unwrap_or_default(),
            request_headers_to_remove: optional(
                self.request_headers_to_remove,
                "request_headers_to_remove",
                HeaderName::removals,
            )?
            .unwrap_or_default(),
            response_headers: optional(
                self.response_headers_to_add,
                "response_headers_to_add",
                |v| Header::list(v, Place::Response),
            )?
            .unwrap_or_default(),
            query_parameters_to_set: optional(
                self.query_parameters_to_set,
                "query_parameters_to_set",
                QueryParameter::list,
            )?
            .unwrap_or_default(),
            query_parameters_to_remove: optional(
                self.query_parameters_to_remove,
                "query_parameters_to_remove",
                QueryParameter::removals,
            )?
            .unwrap_or_default(),
            dynamic_metadata,
            reason: self.reason(),
        })
    }

    fn denial(self) -> Result<Denial, MalformedDecision> {
        let headers = optional(self.headers, "headers", |v| Header::list(v, Place::Denial))?;
        let dynamic_metadata = self.metadata()?;
        let body = optional(self.body, "body", body)?;
        let http_status = optional(self.http_status, "http_status", |v| {
            Ok(HttpStatus::parse(v)?)
        })?
        .unwrap_or(HttpStatus::FORBIDDEN);
        if body.as_ref().is_some_and(|body| !body.is_empty()) && !http_status.has_body() {
            return Err(Rule::BodyNotAllowed(http_status.get()).at("body"));
        }
        Ok(Denial {
            http_status,
            headers: headers.unwrap_or_default(),
            body,
            dynamic_metadata,
            reason: self.reason(),
        })
    }

    fn metadata(&self) -> Result<Option<Metadata>, MalformedDecision> {
        optional(self.dynamic_metadata, "dynamic_metadata", Metadata::parse)
    }

    /// Not an error when it is no string: policies written for opa-envoy may carry a `reason` of
    /// their own, which is an unknown key there.
    fn reason(&self) -> Option<Arc<str>> {
        match self.reason {
            Some(Value::String(reason)) => Some(Arc::clone(reason)),
            Some(
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Set(_)
                | Value::Object(_)
                | Value::Undefined,
            )
            | None => None,
        }
    }
}

fn optional<'v, T>(
    value: Option<&'v Value>,
    key: &str,
    parse: impl FnOnce(&'v Value) -> Result<T, MalformedDecision>,
) -> Result<Option<T>, MalformedDecision> {
    value.map(parse).transpose().map_err(|e| e.below(key))
}

fn body(value: &Value) -> Result<Arc<str>, MalformedDecision> {
    let body = read::text(value)?;
    if body.len() > MAX_BODY_BYTES {
        return Err(Rule::TooLong(MAX_BODY_BYTES).into());
    }
    Ok(Arc::clone(body))
}

#[cfg(test)]
mod tests;
