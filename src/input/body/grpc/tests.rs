//! Messages of a small service, framed as gRPC frames them.

use std::io::Write as _;

use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use super::*;

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        r#type: Some(kind.into()),
        label: Some(Label::Optional.into()),
        ..FieldDescriptorProto::default()
    }
}

fn method(name: &str, client_streaming: bool) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(".shop.Order".to_owned()),
        output_type: Some(".shop.Order".to_owned()),
        client_streaming: Some(client_streaming),
        ..MethodDescriptorProto::default()
    }
}

/// `shop.Orders` with `Place(Order)` and `Upload(stream Order)`.
fn pool() -> DescriptorPool {
    let file = FileDescriptorProto {
        name: Some("shop.proto".to_owned()),
        package: Some("shop".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto {
            name: Some("Order".to_owned()),
            field: vec![
                field("item_name", 1, Type::String),
                field("amount", 2, Type::Int64),
            ],
            ..DescriptorProto::default()
        }],
        service: vec![ServiceDescriptorProto {
            name: Some("Orders".to_owned()),
            method: vec![method("Place", false), method("Upload", true)],
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    };
    let set = FileDescriptorSet { file: vec![file] };
    DescriptorPool::decode(set.encode_to_vec().as_slice()).unwrap()
}

/// `{item_name: "tea", amount: 7}`.
const ORDER: &[u8] = b"\x0a\x03tea\x10\x07";

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, message].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_at(path: &str, body: &[u8], encoding: Option<&str>) -> Result<Body, InvalidGrpc> {
    let target = Target::parse("POST", path, false).unwrap();
    parse(body, &target, encoding, &pool())
}

fn read(body: &[u8]) -> Result<Body, InvalidGrpc> {
    read_at("/shop.Orders/Place", body, None)
}

fn json(body: Result<Body, InvalidGrpc>) -> String {
    match body {
        Ok(Body::Parsed(value)) => value.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_becomes_its_proto_json() {
    let expected = r#"{"amount":"7","itemName":"tea"}"#;
    assert_eq!(json(read(&frame(0, ORDER))), expected);
    assert_eq!(json(read(&frame(0, b""))), "{}");
    let two = [frame(0, ORDER), frame(0, b"\xff")].concat();
    assert_eq!(json(read(&two)), expected, "only the first message is read");
}

#[test]
fn a_gzip_message_is_inflated_with_all_its_members() {
    let read_gzip = |bytes: &[u8]| read_at("/shop.Orders/Place", &frame(1, bytes), Some("gzip"));
    let expected = r#"{"amount":"7","itemName":"tea"}"#;
    assert_eq!(json(read_gzip(&gzip(ORDER))), expected);
    let members = [gzip(ORDER), gzip(b"\x10\x63")].concat();
    assert_eq!(
        json(read_gzip(&members)),
        r#"{"amount":"99","itemName":"tea"}"#
    );
    assert!(matches!(read_gzip(b"not gzip"), Err(InvalidGrpc::Gzip(_))));
    let cut = gzip(ORDER);
    let cut = &cut[..cut.len() - 4];
    assert!(matches!(read_gzip(cut), Err(InvalidGrpc::Gzip(_))));
}

#[test]
fn a_gzip_bomb_is_refused_at_the_bound() {
    // Field 1 filled up so that the whole message has the given length.
    let message = |length: usize| {
        let mut bytes = vec![0x0a];
        prost::encoding::encode_varint((length - 4).try_into().unwrap(), &mut bytes);
        bytes.resize(length, b'a');
        bytes
    };
    let read_gzip =
        |bytes: &[u8]| read_at("/shop.Orders/Place", &frame(1, &gzip(bytes)), Some("gzip"));
    assert!(matches!(
        read_gzip(&message(MAX_INFLATED)),
        Ok(Body::Parsed(_))
    ));
    let bomb = read_gzip(&message(MAX_INFLATED + 1));
    assert!(matches!(bomb, Err(InvalidGrpc::TooLarge)), "{bomb:?}");
    let bomb = read_gzip(&vec![0; 64 * MAX_INFLATED]);
    assert!(matches!(bomb, Err(InvalidGrpc::TooLarge)), "{bomb:?}");
}

#[test]
fn what_the_descriptors_do_not_know_is_left_unread() {
    let body = frame(0, ORDER);
    for path in [
        "/shop.Orders/Upload",
        "/shop.Orders/Nothing",
        "/shop.Nothing/Place",
        "/Orders/Place",
        "/shop.Orders/",
    ] {
        assert_eq!(read_at(path, &body, None).unwrap(), Body::None, "{path}");
    }
    for (flag, encoding) in [(1, None), (1, Some("snappy")), (2, Some("gzip"))] {
        let body = frame(flag, ORDER);
        let read = read_at("/shop.Orders/Place", &body, encoding).unwrap();
        assert_eq!(read, Body::None, "{flag} {encoding:?}");
    }
    assert_eq!(read(b"").unwrap(), Body::None);
}

#[test]
fn a_message_that_ends_early_is_truncated() {
    let body = frame(0, ORDER);
    let cut = &body[..body.len() - 1];
    assert_eq!(read(cut).unwrap(), Body::Truncated);
    assert_eq!(read(&[0, 0xff, 0xff, 0xff, 0xff]).unwrap(), Body::Truncated);
}

#[test]
fn what_breaks_the_framing_is_refused() {
    for path in [
        "/",
        "/shop.Orders",
        "/shop.Orders/Place/x",
        "/shop.Orders/Place%2fx",
    ] {
        let refused = read_at(path, &frame(0, ORDER), None);
        assert!(matches!(refused, Err(InvalidGrpc::Path)), "{path}");
    }
    assert!(matches!(read(&[0, 0, 0, 0]), Err(InvalidGrpc::Prefix)));
    let refused = read(&frame(0, b"\x0a\xff"));
    assert!(matches!(refused, Err(InvalidGrpc::Message(_))));
}
