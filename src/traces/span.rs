//! The spans of one check: one of the server's kind, and one below it for each stage.

use std::time::Duration;

use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    trace::v1::{Span, Status, span::SpanKind, status::StatusCode},
};

use super::otlp::{attribute, nanoseconds, number};
use crate::{
    outcome::{Answer, Reason, Stage},
    response::OnError,
    telemetry::{Record, Recorded, Trace, new_span_id, text::present},
};

/// Hands the spans of a check that is sampled to `take`, its own first.
pub(super) fn of_check(recorded: &Recorded<'_>, on_error: OnError, mut take: impl FnMut(Span)) {
    let record = recorded.record;
    let Some(trace) = record.trace.filter(|trace| trace.sampled) else {
        return;
    };
    let mut start = record.at.saturating_sub(record.duration);
    take(of_server(recorded, &trace, on_error));
    // One after the other: that is how they ran, but for what a check waited for between its attempts.
    for stage in Stage::ALL {
        if let Some(time) = record.stages.get(stage) {
            let end = start.saturating_add(time);
            take(of_stage(stage, &trace, start, end));
            start = end;
        }
    }
}

fn of_server(recorded: &Recorded<'_>, trace: &Trace, on_error: OnError) -> Span {
    let record = recorded.record;
    Span {
        parent_span_id: trace.parent.map(Vec::from).unwrap_or_default(),
        // A parent, where there is one, is always of another process.
        flags: SAMPLED | HAS_IS_REMOTE | trace.parent.map_or(0, |_| IS_REMOTE),
        attributes: attributes(recorded, on_error),
        status: status(record.reason()),
        ..span(
            trace,
            trace.span_id,
            NAME,
            SpanKind::Server,
            (record.at.saturating_sub(record.duration), record.at),
        )
    }
}

fn of_stage(stage: Stage, trace: &Trace, start: Duration, end: Duration) -> Span {
    let name = match stage {
        Stage::Admission => "portcullis.admission",
        Stage::Request => "portcullis.request",
        Stage::Identity => "portcullis.identity",
        Stage::Input => "portcullis.input",
        Stage::Policy => "portcullis.policy",
        Stage::Response => "portcullis.response",
    };
    Span {
        parent_span_id: trace.span_id.to_vec(),
        flags: SAMPLED | HAS_IS_REMOTE,
        ..span(trace, new_span_id(), name, SpanKind::Internal, (start, end))
    }
}

fn span(
    trace: &Trace,
    id: [u8; 8],
    name: &str,
    kind: SpanKind,
    (start, end): (Duration, Duration),
) -> Span {
    Span {
        trace_id: trace.trace_id.to_vec(),
        span_id: id.to_vec(),
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(start),
        end_time_unix_nano: nanoseconds(end),
        ..Span::default()
    }
}

fn attributes(recorded: &Recorded<'_>, on_error: OnError) -> Vec<KeyValue> {
    let record = recorded.record;
    let mut attributes = vec![
        attribute("rpc.system", "grpc"),
        attribute("rpc.service", "envoy.service.auth.v3.Authorization"),
        attribute("rpc.method", "Check"),
        number("rpc.grpc.status_code", grpc_code(record, on_error)),
        attribute("portcullis.decision_id", record.decision_id.as_str()),
        attribute("portcullis.outcome", record.answer().as_str()),
        attribute("portcullis.reason", record.reason().as_str()),
    ];
    if let Some(stage) = record.budget_stage() {
        attributes.push(attribute("portcullis.stage", stage.as_str()));
    }
    if let Some(policy) = &record.policy {
        attributes.push(attribute("portcullis.policy.revision", &policy.revision));
    }
    if let Some(caller) = present(recorded.caller.principal) {
        attributes.push(attribute("portcullis.caller", &caller));
    }
    if record.dry_run {
        attributes.push(attribute("portcullis.dry_run", "true"));
    }
    attributes
}

fn grpc_code(record: &Record, on_error: OnError) -> i64 {
    match (record.answered(), on_error) {
        (Answer::Error, OnError::GrpcError) => i64::from(i32::from(tonic::Code::Unavailable)),
        (Answer::Error, OnError::DeniedResponse | OnError::ErrorResponse)
        | (Answer::Allowed | Answer::Denied, _) => 0,
    }
}

/// An error where the server, or its policy, is at fault; to be refused is none.
fn status(reason: Reason) -> Option<Status> {
    match reason {
        Reason::Policy | Reason::Token | Reason::Request => None,
        Reason::Undefined
        | Reason::Conflict
        | Reason::MalformedDecision
        | Reason::Evaluation
        | Reason::Budget
        | Reason::Overload
        | Reason::NotReady
        | Reason::Internal => Some(Status {
            message: reason.as_str().to_owned(),
            code: StatusCode::Error.into(),
        }),
    }
}

/// As gRPC's own instrumentation names it.
const NAME: &str = "envoy.service.auth.v3.Authorization/Check";
/// `W3C trace flags`: the trace is recorded.
const SAMPLED: u32 = 0x1;
/// Whether the parent is of another process is known (`SpanFlags` of OTLP).
const HAS_IS_REMOTE: u32 = 0x100;
/// It is.
const IS_REMOTE: u32 = 0x200;

#[cfg(test)]
mod tests;
