//! Where prost goes on and we do not: it takes a map field of any wire type for the right one.

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use portcullis::request::RequestView;
use prost::{
    Message as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use super::judge;

/// Whether a map field of the request, or of a message in it, is not length-delimited.
pub(crate) fn has_a_wrong_map(request: &[u8]) -> bool {
    let pool = DescriptorPool::decode(portcullis::descriptors::AUTHORIZATION).unwrap();
    let message = pool.get_message_by_name("envoy.service.auth.v3.CheckRequest");
    has_map_of_wrong_wire_type(request, &message.unwrap())
}

fn has_map_of_wrong_wire_type(mut bytes: &[u8], message: &MessageDescriptor) -> bool {
    while let Ok((number, wire_type)) = decode_key(&mut bytes) {
        let field = message.get_field(number);
        let is_map = field.as_ref().is_some_and(FieldDescriptor::is_map);
        if is_map && wire_type != WireType::LengthDelimited {
            return true;
        }
        if wire_type != WireType::LengthDelimited {
            if skip_field(wire_type, number, &mut bytes, DecodeContext::default()).is_err() {
                return false;
            }
            continue;
        }
        let length = decode_varint(&mut bytes).ok();
        let length = length.and_then(|length| usize::try_from(length).ok());
        let Some((inside, rest)) = length.and_then(|length| bytes.split_at_checked(length)) else {
            return false;
        };
        bytes = rest;
        let kind = field.map(|field| field.kind());
        let of_message = kind.as_ref().and_then(Kind::as_message);
        if of_message.is_some_and(|message| has_map_of_wrong_wire_type(inside, message)) {
            return true;
        }
    }
    false
}

#[test]
fn only_a_map_field_of_a_wrong_wire_type_may_end_a_message_for_us_alone() {
    // `attributes` with `context_extensions` (10) of wire type 1, or with `tls_session` (12) so.
    let (map, other) = (b"\x0a\x02\x51\x00", b"\x0a\x02\x61\x00");
    assert!(CheckRequest::decode(&map[..]).is_ok());
    assert!(RequestView::parse(map).is_err());
    judge(map).unwrap();
    assert!(CheckRequest::decode(&other[..]).is_err());
    assert!(has_a_wrong_map(map));
    assert!(!has_a_wrong_map(other));
    assert!(!has_a_wrong_map(b"\x0a\x02\x52\x00"));
}
