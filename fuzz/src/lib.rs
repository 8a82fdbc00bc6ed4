//! What the fuzz targets share: policies made of text, and answers read back with prost.

pub mod archive;

use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse,
    attribute_context::{HttpRequest, Peer, Request},
};
use portcullis::{
    check::{Active, budget},
    input,
    outcome::Outcome,
    policy::{Entrypoint, LoadError, LoadOptions, Policy, PolicyFile},
    response::{Options, Reply, respond},
};
use prost::Message as _;

/// Loads one file as a whole policy set.
pub fn load(name: &str, bytes: &[u8]) -> Result<Policy, LoadError> {
    let file = PolicyFile {
        name: name.to_owned(),
        data_path: Vec::new(),
        bytes: bytes.to_vec(),
    };
    Policy::load(&[file], &options())
}

/// The default entrypoint.
pub fn options() -> LoadOptions {
    let path = ["envoy", "authz", "allow"].map(str::to_owned);
    LoadOptions {
        entrypoint: Entrypoint::Path(path.to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    }
}

/// One module, ready to decide.
pub fn active(module: &str) -> Active {
    let policy = load("policy.rego", module.as_bytes()).expect("the target's own policy");
    Active::new(policy, &input::Options::default())
}

/// A budget that no input uses up, so that a target depends on nothing but its input.
pub fn unhurried() -> budget::Options {
    budget::Options {
        budget: Duration::from_secs(3600),
        ..budget::Options::default()
    }
}

/// A request of `principal` with one header.
pub fn with_header(principal: &str, name: &str, value: &str) -> Vec<u8> {
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        headers: [(name.to_owned(), value.to_owned())].into(),
        ..HttpRequest::default()
    };
    let source = Peer {
        principal: principal.to_owned(),
        ..Peer::default()
    };
    let request = Request {
        http: Some(http),
        ..Request::default()
    };
    let attributes = AttributeContext {
        source: Some(source),
        request: Some(request),
        ..AttributeContext::default()
    };
    let request = CheckRequest {
        attributes: Some(attributes),
    };
    request.encode_to_vec()
}

/// The answer to `outcome`, as Envoy decodes it: always with a status and a decision id.
pub fn answer(outcome: &Outcome) -> CheckResponse {
    let Reply::Response(bytes) = respond(outcome, "an-id", &Options::default()) else {
        panic!("a gRPC error without being asked for one");
    };
    let answer = CheckResponse::decode(bytes).expect("prost reads what we write");
    assert!(
        answer.status.is_some(),
        "Envoy reads a missing status as an allow"
    );
    let metadata = answer.dynamic_metadata.as_ref().expect("always there");
    assert!(metadata.fields.contains_key("decision_id"));
    answer
}
