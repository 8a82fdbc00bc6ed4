//! What reflection says, held against the generated Rust types.

use envoy_types::pb::{
    envoy::{
        config::core::v3::{HeaderValueOption, QueryParameter},
        service::auth::v3::{
            AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
            check_response::HttpResponse,
        },
    },
    google::protobuf::{Struct, Timestamp},
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _};

fn described(name: &str, message: &impl Message) -> DynamicMessage {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let descriptor = pool.get_message_by_name(name).unwrap();
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).unwrap()
}

#[test]
fn the_method_takes_and_gives_what_envoy_names() {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let service = pool
        .get_service_by_name("envoy.service.auth.v3.Authorization")
        .unwrap();
    let check = service.methods().next().unwrap();
    assert_eq!(check.name(), "Check");
    assert_eq!(
        check.input().full_name(),
        "envoy.service.auth.v3.CheckRequest"
    );
    assert_eq!(
        check.output().full_name(),
        "envoy.service.auth.v3.CheckResponse"
    );
}

#[test]
fn nothing_in_a_request_or_response_is_left_undescribed() {
    let mut attributes = AttributeContext::default();
    let peer = attributes.source.get_or_insert_default();
    peer.principal = "spiffe://cluster.local/ns/a/sa/b".to_owned();
    peer.address.get_or_insert_default();
    let request = attributes.request.get_or_insert_default();
    request.time = Some(Timestamp {
        seconds: 1,
        nanos: 2,
    });
    let http = request.http.get_or_insert_default();
    http.headers.insert("a".to_owned(), "b".to_owned());
    http.header_map.get_or_insert_default();
    http.raw_body = vec![1];
    attributes.metadata_context.get_or_insert_default();
    attributes.tls_session.get_or_insert_default().sni = "sni".to_owned();
    let request = CheckRequest {
        attributes: Some(attributes),
    };
    let denied = DeniedHttpResponse {
        headers: vec![HeaderValueOption::default()],
        body: "no".to_owned(),
        ..DeniedHttpResponse::default()
    };
    let ok = OkHttpResponse {
        query_parameters_to_set: vec![QueryParameter::default()],
        ..OkHttpResponse::default()
    };
    let response = |answer| CheckResponse {
        dynamic_metadata: Some(Struct::default()),
        http_response: Some(answer),
        ..CheckResponse::default()
    };
    let name = "envoy.service.auth.v3.CheckResponse";
    for message in [
        described("envoy.service.auth.v3.CheckRequest", &request),
        described(name, &response(HttpResponse::DeniedResponse(denied))),
        described(name, &response(HttpResponse::OkResponse(ok))),
    ] {
        assert_unknown_free(&message);
    }
}

fn assert_unknown_free(message: &DynamicMessage) {
    let name = message.descriptor().full_name().to_owned();
    assert_eq!(message.unknown_fields().count(), 0, "{name}");
    for (_, value) in message.fields() {
        if let Some(inner) = value.as_message() {
            assert_unknown_free(inner);
        }
    }
}

const DESCRIPTORS: &[u8] = include_bytes!("../../proto/authorization.binpb");
