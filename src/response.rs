//! Stage 8: the `CheckResponse`, as the bytes that go out.
//!
//! Promises: `status` is always set, because Envoy reads a missing one as an allow; it is zero for a
//! [`Permit`](crate::decision::Permit) and in dry-run, and for nothing else; a denial is never a gRPC error, because
//! `failOpen` would let that through; `dynamic_metadata` always holds the decision id.

mod denied;
mod metadata;
mod permitted;
mod wire;

use bytes::Bytes;
use envoy_types::pb::envoy::{
    config::core::v3::{HeaderValue, HeaderValueOption},
    service::auth::v3::{DeniedHttpResponse, OkHttpResponse},
};

use crate::{
    decision::{Decision, Denial, HeaderName, HttpStatus, Metadata},
    outcome::{Answer, CheckError, Outcome, Reason},
};

/// How answers are given; fixed by configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// How a check that could not be judged is answered.
    pub on_error: OnError,
    /// Let everything through and change nothing; what would have happened is in the log.
    pub dry_run: bool,
    /// A header of denials that carries the policy's `reason`.
    pub expose_reason: Option<HeaderName>,
    /// A header of every answer to the caller that carries the decision id.
    pub decision_id_header: Option<HeaderName>,
    /// What a caller is told that was shed or came too early, in seconds.
    pub retry_after: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            on_error: OnError::default(),
            dry_run: false,
            expose_reason: None,
            decision_id_header: None,
            retry_after: 1,
        }
    }
}

/// How a check that could not be judged (no time, no room, no policy) is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// As a denial with the status of the failure table: safe on every Envoy, whatever `failOpen`
    /// says.
    #[default]
    DeniedResponse,
    /// As `error_response`, for Envoy 1.37 and later: counted as an error, subject to `failOpen`.
    ErrorResponse,
    /// As a gRPC error: Envoy's `failOpen` and `statusOnError` decide.
    GrpcError,
}

/// What the transport sends.
#[derive(Debug)]
pub enum Reply {
    /// An encoded `CheckResponse`.
    Response(Bytes),
    /// A gRPC error instead: only with [`OnError::GrpcError`], never for a denial.
    GrpcError {
        /// The gRPC code.
        code: tonic::Code,
        /// A short public text.
        message: &'static str,
    },
}

/// Encodes the answer to one check.
pub fn respond(outcome: &Outcome, decision_id: &str, options: &Options) -> Reply {
    if options.dry_run {
        let metadata = outcome.as_ref().ok().and_then(Decision::dynamic_metadata);
        return Reply::Response(encode(&Status::OK, &Http::None, metadata, decision_id));
    }
    match outcome {
        Ok(Decision::Allow(permit)) => {
            let http = permitted::response(permit, decision_id, options);
            let http = http.map_or(Http::None, Http::Ok);
            let metadata = permit.dynamic_metadata();
            Reply::Response(encode(&Status::OK, &http, metadata, decision_id))
        }
        Ok(Decision::Deny(denial)) => Reply::Response(refused(denial, decision_id, options)),
        Err(error) => failed(error, decision_id, options),
    }
}

fn refused(denial: &Denial, decision_id: &str, options: &Options) -> Bytes {
    let status = if denial.http_status() == HttpStatus::UNAUTHORIZED {
        Status::UNAUTHENTICATED
    } else {
        Status::DENIED
    };
    let http = denied::by_policy(denial, decision_id, options).map_or(Http::None, Http::Denied);
    encode(&status, &http, denial.dynamic_metadata(), decision_id)
}

fn failed(error: &CheckError, decision_id: &str, options: &Options) -> Reply {
    let status = Status::of_failure(error.reason());
    let response = denied::by_failure(error, decision_id, options);
    let http = match (error.reason().answer(), options.on_error) {
        (Answer::Error, OnError::GrpcError) => {
            return Reply::GrpcError {
                code: tonic::Code::Unavailable,
                message: status.message,
            };
        }
        (Answer::Error, OnError::ErrorResponse) => Http::Error(response),
        // The last of these is the answer to no error.
        (Answer::Error, OnError::DeniedResponse) | (Answer::Denied | Answer::Allowed, _) => {
            Http::Denied(response)
        }
    };
    Reply::Response(encode(&status, &http, None, decision_id))
}

/// `google.rpc.Status`. Envoy only tells zero from the rest.
struct Status {
    code: u64,
    message: &'static str,
}

impl Status {
    const OK: Self = Self::of(0);
    const DENIED: Self = Self::of(7);
    const UNAUTHENTICATED: Self = Self::of(16);

    const fn of(code: u64) -> Self {
        Self { code, message: "" }
    }

    fn of_failure(reason: Reason) -> Self {
        let code = match reason {
            Reason::Token => {
                return Self {
                    message: denied::public_text(reason),
                    ..Self::UNAUTHENTICATED
                };
            }
            Reason::Policy
            | Reason::Undefined
            | Reason::Conflict
            | Reason::MalformedDecision
            | Reason::Evaluation
            | Reason::Request => 7,
            Reason::Internal => 13,
            Reason::Budget | Reason::Overload | Reason::NotReady => 14,
        };
        let message = denied::public_text(reason);
        Self { code, message }
    }
}

/// `CheckResponse.http_response`.
enum Http {
    None,
    Ok(OkHttpResponse),
    Denied(DeniedHttpResponse),
    Error(DeniedHttpResponse),
}

fn encode(status: &Status, http: &Http, metadata: Option<&Metadata>, decision_id: &str) -> Bytes {
    let mut out = Vec::with_capacity(256);
    wire::message(&mut out, 1, |out| {
        if status.code != 0 {
            wire::varint(out, 1, status.code);
        }
        if !status.message.is_empty() {
            wire::bytes(out, 2, status.message.as_bytes());
        }
    });
    match http {
        Http::None => {}
        Http::Denied(response) => prost::encoding::message::encode(2, response, &mut out),
        Http::Ok(response) => prost::encoding::message::encode(3, response, &mut out),
        Http::Error(response) => prost::encoding::message::encode(5, response, &mut out),
    }
    wire::message(&mut out, 4, |out| {
        metadata::encode(out, metadata, decision_id);
    });
    out.into()
}

/// A header with text that is ours or the policy's word, cut to what a header can hold.
fn header(name: &str, value: &str) -> HeaderValueOption {
    let value = value.chars().take(256);
    let value = value.map(|c| if c.is_ascii_graphic() { c } else { ' ' });
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: value.collect::<String>().trim().to_owned(),
            raw_value: Vec::new(),
        }),
        ..HeaderValueOption::default()
    }
}

#[cfg(test)]
mod tests;
