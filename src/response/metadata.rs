//! `dynamic_metadata`: the policy's object as a `google.protobuf.Struct`, with the decision id.

use super::wire;
use crate::decision::{Json, Metadata};

/// The key under which Envoy and its access log find the decision.
const DECISION_ID: &str = "decision_id";

/// Appends the content of a `Struct`: the policy's fields and the real decision id, whatever the
/// policy put under that name.
pub(super) fn encode(out: &mut Vec<u8>, metadata: Option<&Metadata>, decision_id: &str) {
    field(out, DECISION_ID, |out| {
        wire::bytes(out, 3, decision_id.as_bytes());
    });
    for (name, value) in metadata.map_or(&[][..], Metadata::fields) {
        if name.as_ref() != DECISION_ID {
            field(out, name, |out| json(out, value));
        }
    }
}

/// One entry of `Struct.fields`.
fn field(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    wire::message(out, 1, |out| {
        wire::bytes(out, 1, name.as_bytes());
        wire::message(out, 2, value);
    });
}

/// The content of a `Value`.
fn json(out: &mut Vec<u8>, value: &Json) {
    match value {
        Json::Null => wire::varint(out, 1, 0),
        Json::Number(number) => wire::double(out, 2, *number),
        Json::String(text) => wire::bytes(out, 3, text.as_bytes()),
        Json::Bool(value) => wire::varint(out, 4, u64::from(*value)),
        Json::Object(fields) => wire::message(out, 5, |out| {
            for (name, value) in fields {
                field(out, name, |out| json(out, value));
            }
        }),
        Json::List(items) => wire::message(out, 6, |out| {
            for item in items {
                wire::message(out, 1, |out| json(out, item));
            }
        }),
    }
}
