//! The keys of a decision object and how each is read.
//!
//! The keys of one verdict are not looked at for the other; `headers` and `dynamic_metadata` are
//! read for both.

use std::sync::Arc;

use super::{
    Denial, Header, HeaderName, HttpStatus, MAX_BODY_BYTES, MalformedDecision, Metadata, Permit,
    QueryParameter, Rule, header::Place, read,
};
use crate::input::Value;

/// The keys of a decision object, not yet looked into.
#[derive(Default)]
pub(super) struct Keys<'v> {
    pub(super) allowed: Option<&'v Value>,
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
    pub(super) fn of(decision: &'v Value) -> Self {
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

    pub(super) fn permit(self) -> Result<Permit, MalformedDecision> {
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

    pub(super) fn denial(self) -> Result<Denial, MalformedDecision> {
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
