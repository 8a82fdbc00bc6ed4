//! `OkHttpResponse`: what the policy changes on a request that goes through.

use envoy_types::pb::{
    envoy::{
        config::core::v3::{
            HeaderValue, HeaderValueOption, QueryParameter as WireParameter,
            header_value_option::HeaderAppendAction,
        },
        service::auth::v3::OkHttpResponse,
    },
    google::protobuf::BoolValue,
};

use super::{Options, header};
use crate::decision::{AppendAction, Header, HeaderName, Permit, QueryParameter};

/// The changes; `None` when there are none.
pub(super) fn response(
    permit: &Permit,
    decision_id: &str,
    options: &Options,
) -> Option<OkHttpResponse> {
    if permit.changes_nothing() && options.decision_id_header.is_none() {
        return None;
    }
    let mut down: Vec<_> = permit.response_headers().iter().map(downstream).collect();
    if let Some(name) = &options.decision_id_header {
        let mut id = header(name.as_str(), decision_id);
        id.set_append_action(HeaderAppendAction::OverwriteIfExistsOrAdd);
        down.push(id);
    }
    let removed = permit.request_headers_to_remove();
    let removed_parameters = permit.query_parameters_to_remove();
    Some(OkHttpResponse {
        headers: permit.request_headers().iter().map(upstream).collect(),
        headers_to_remove: removed.iter().map(owned).collect(),
        response_headers_to_add: down,
        query_parameters_to_set: permit
            .query_parameters_to_set()
            .iter()
            .map(parameter)
            .collect(),
        query_parameters_to_remove: removed_parameters.to_vec(),
        ..OkHttpResponse::default()
    })
}

/// A header of the request. Envoy goes by the deprecated `append` alone here: without it a header
/// is set, with it the value is joined to what is there, and all sets come before all appends.
fn upstream(header: &Header) -> HeaderValueOption {
    let mut wire = downstream(header);
    if header.append() == Some(AppendAction::AppendIfExistsOrAdd) {
        #[expect(
            deprecated,
            reason = "Envoy 1.40 reads nothing else on request headers"
        )]
        {
            wire.append = Some(BoolValue { value: true });
        }
    }
    wire
}

/// A header of a response; the action is honoured there.
pub(super) fn downstream(header: &Header) -> HeaderValueOption {
    let mut wire = HeaderValueOption {
        header: Some(HeaderValue {
            key: header.name().as_str().to_owned(),
            value: header.value().to_owned(),
            raw_value: Vec::new(),
        }),
        ..HeaderValueOption::default()
    };
    if let Some(action) = header.append() {
        wire.set_append_action(match action {
            AppendAction::AppendIfExistsOrAdd => HeaderAppendAction::AppendIfExistsOrAdd,
            AppendAction::AddIfAbsent => HeaderAppendAction::AddIfAbsent,
            AppendAction::OverwriteIfExistsOrAdd => HeaderAppendAction::OverwriteIfExistsOrAdd,
            AppendAction::OverwriteIfExists => HeaderAppendAction::OverwriteIfExists,
        });
    }
    wire
}

fn owned(name: &HeaderName) -> String {
    name.as_str().to_owned()
}

fn parameter(parameter: &QueryParameter) -> WireParameter {
    WireParameter {
        key: parameter.name().to_owned(),
        value: parameter.value().to_owned(),
    }
}
