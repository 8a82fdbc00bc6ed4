//! Every answer, decoded again with prost.

use envoy_types::pb::{
    envoy::{
        service::auth::v3::{CheckResponse, check_response::HttpResponse},
        r#type::v3::StatusCode,
    },
    google::protobuf::{Struct, value::Kind},
};
use prost::Message;

use super::*;
use crate::{
    input::Value,
    outcome::{Outcome, Shed, Stage},
    policy::{EvalError, EvaluatorError},
};

mod failures;
mod never_open;
mod policy;

const ID: &str = "4a1d9c3e-0b1f-4f6e-9d3a-5b0d0a4f8e11";

fn decide(text: &str) -> Outcome {
    let value = Value::from_json_str(text).expect("the test's JSON parses");
    Ok(Decision::parse(&value)?)
}

fn decode(bytes: &Bytes) -> CheckResponse {
    CheckResponse::decode(bytes.clone()).expect("prost reads what we write")
}

fn answer(outcome: &Outcome, options: &Options) -> CheckResponse {
    match respond(outcome, ID, options) {
        Reply::Response(bytes) => decode(&bytes),
        Reply::GrpcError { code, message } => panic!("a gRPC error: {code} {message}"),
    }
}

fn code(response: &CheckResponse) -> i32 {
    response.status.as_ref().expect("status is always set").code
}

fn denied(response: CheckResponse) -> DeniedHttpResponse {
    match response.http_response {
        Some(HttpResponse::DeniedResponse(denied)) => denied,
        other => panic!("no denied_response: {other:?}"),
    }
}

fn permitted(response: CheckResponse) -> OkHttpResponse {
    match response.http_response {
        Some(HttpResponse::OkResponse(ok)) => ok,
        other => panic!("no ok_response: {other:?}"),
    }
}

fn metadata(response: &CheckResponse) -> &Struct {
    response.dynamic_metadata.as_ref().expect("always there")
}

fn decision_id(response: &CheckResponse) -> Option<&str> {
    let kind = metadata(response).fields.get("decision_id")?.kind.as_ref();
    if let Some(Kind::StringValue(id)) = kind {
        Some(id)
    } else {
        None
    }
}

/// Headers as `name: value` with a mark for `append: true` and the action's number.
fn lines(headers: &[HeaderValueOption]) -> Vec<String> {
    headers
        .iter()
        .map(|option| {
            let header = option.header.as_ref().expect("a header");
            #[expect(deprecated, reason = "what Envoy reads on request headers")]
            let joined = option.append.as_ref().map_or("", |append| {
                if append.value { " (append)" } else { " (set)" }
            });
            let action = option.append_action;
            format!("{}: {}{joined} [{action}]", header.key, header.value)
        })
        .collect()
}
