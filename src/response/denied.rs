//! `DeniedHttpResponse`: what the caller is told instead of an answer from upstream.
//!
//! A denial by the policy says what the policy says. Our own failures get one short public line
//! that names the kind of trouble and the decision id to ask the operator about; causes stay in the
//! log. A gRPC caller gets the line as its `grpc-message`.

use envoy_types::pb::envoy::{
    config::core::v3::HeaderValueOption, service::auth::v3::DeniedHttpResponse,
    r#type::v3::HttpStatus as WireStatus,
};

use super::{Options, header, permitted::downstream};
use crate::{
    decision::{Denial, HttpStatus},
    identity::jwt::JwtError,
    outcome::{CheckError, Reason},
};

/// The policy's answer; `None` when it has nothing to say: Envoy sends an empty 403 then.
pub(super) fn by_policy(
    denial: &Denial,
    decision_id: &str,
    options: &Options,
) -> Option<DeniedHttpResponse> {
    let mut headers = options.own_headers(decision_id);
    if let (Some(name), Some(reason)) = (&options.expose_reason, denial.reason()) {
        headers.push(header(name.as_str(), reason));
    }
    let body = denial.body().unwrap_or_default();
    let silent = headers.is_empty() && denial.headers().is_empty() && body.is_empty();
    if silent && denial.http_status() == HttpStatus::FORBIDDEN {
        return None;
    }
    headers.splice(0..0, denial.headers().iter().map(downstream));
    Some(DeniedHttpResponse {
        status: Some(status(denial.http_status().get())),
        headers,
        body: body.to_owned(),
    })
}

/// The answer to a check that ended in an error.
pub(super) fn by_failure(
    error: &CheckError,
    decision_id: &str,
    options: &Options,
) -> DeniedHttpResponse {
    let reason = error.reason();
    let mut headers = options.own_headers(decision_id);
    if matches!(reason, Reason::Overload | Reason::NotReady) {
        headers.push(header("retry-after", &options.retry_after.to_string()));
    }
    if let CheckError::Token(error) = error {
        headers.push(header("www-authenticate", &challenge(*error)));
    }
    let text = public_text(reason);
    DeniedHttpResponse {
        status: Some(status(error.http_status())),
        headers,
        body: if text.is_empty() {
            String::new()
        } else {
            format!("{text} (decision_id {decision_id})")
        },
    }
}

/// What everyone may know. Nothing for denials by the policy and for its having no opinion, which
/// callers cannot tell apart.
pub(super) fn public_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Policy | Reason::Undefined => "",
        Reason::Conflict | Reason::MalformedDecision | Reason::Evaluation => "denied: policy error",
        Reason::Token => "denied: a valid token is required",
        Reason::Request => "denied: malformed request",
        Reason::Internal => "denied: internal error",
        Reason::Budget => "unavailable: authorization timed out",
        Reason::Overload => "unavailable: authorization is overloaded",
        Reason::NotReady => "unavailable: authorization is not ready",
    }
}

/// What a caller must bring (RFC 6750, section 3). Only a token that is at fault gets an error code: a
/// client that brought none shall learn nothing more, and one whose token nobody could check shall not
/// fetch a new one.
fn challenge(error: JwtError) -> String {
    match error {
        JwtError::Missing | JwtError::KeysUnavailable => format!("Bearer realm=\"{REALM}\""),
        JwtError::Malformed
        | JwtError::UnknownIssuer
        | JwtError::UnknownKey
        | JwtError::BadSignature
        | JwtError::Expired
        | JwtError::NotYetValid
        | JwtError::Audience
        | JwtError::Algorithm
        | JwtError::Claim => format!(
            "Bearer realm=\"{REALM}\", error=\"invalid_token\", error_description=\"{error}\""
        ),
    }
}

impl Options {
    /// The headers that every answer to a caller gets.
    fn own_headers(&self, decision_id: &str) -> Vec<HeaderValueOption> {
        let id = self.decision_id_header.as_ref();
        id.map(|name| header(name.as_str(), decision_id))
            .into_iter()
            .collect()
    }
}

/// The protection space that challenges name.
const REALM: &str = "portcullis";

fn status(code: u16) -> WireStatus {
    WireStatus { code: code.into() }
}
