//! Structs as plain JSON: numbers, bounds, and only what is read.

use super::*;

/// A length-delimited field.
fn delimited(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len().try_into().unwrap(), &mut field);
    field.extend(bytes);
    field
}

fn entry(key: &str, value: &[u8]) -> Vec<u8> {
    delimited(
        1,
        &[delimited(1, key.as_bytes()), delimited(2, value)].concat(),
    )
}

fn number(number: f64) -> Vec<u8> {
    [&[0x11][..], &number.to_le_bytes()].concat()
}

fn string(value: &str) -> Vec<u8> {
    delimited(3, value.as_bytes())
}

fn read(message: &[u8]) -> Result<String, InvalidMetadata> {
    object(message, &Pick::All, MAX_DEPTH).map(|fields| Value::from(fields).to_string())
}

#[test]
fn whole_numbers_become_integers_of_exactly_their_value() {
    for (value, shown) in [
        (0.0, "0"),
        (-0.0, "0"),
        (7.0, "7"),
        (-1.0, "-1"),
        (1_790_000_000.0, "1790000000"),
        (9_007_199_254_740_993.0, "9007199254740992"),
        (9_223_372_036_854_775_808.0, "9223372036854775808"),
        (-9_223_372_036_854_775_808.0, "-9223372036854775808"),
        (1e23, "99999999999999991611392"),
    ] {
        let Value::Number(number) = double(value) else {
            panic!("{value} is a number");
        };
        assert!(number.is_integer(), "{value}");
        assert_eq!(number.format_decimal(), shown);
    }
    assert_eq!(double(1.5).to_string(), "1.5");
    assert_eq!(double(f64::NAN), text("NaN"));
    assert_eq!(double(f64::INFINITY), text("Infinity"));
    assert_eq!(double(f64::NEG_INFINITY), text("-Infinity"));
}

#[test]
fn every_kind_of_value_is_read() {
    let list = delimited(
        6,
        &[delimited(1, &number(1.0)), delimited(1, &string("x"))].concat(),
    );
    let message = [
        entry("null", &[0x08, 0]),
        entry("none", b""),
        entry("number", &number(2.5)),
        entry("string", &string("s")),
        entry("bool", &[0x20, 1]),
        entry("struct", &delimited(5, &entry("a", &number(1.0)))),
        entry("list", &list),
        entry("string", &string("last")),
    ];
    assert_eq!(
        read(&message.concat()).unwrap(),
        r#"{"bool":true,"list":[1,"x"],"none":null,"null":null,"number":2.5,"string":"last","struct":{"a":1}}"#
    );
}

#[test]
fn only_what_is_read_is_decoded() {
    let broken = entry("other", b"\xff");
    let message = [entry("tier", &string("gold")), broken].concat();
    let mut reads = Reads::default();
    reads.add(["tier"]);
    let picked = object(&message, &Pick::new(&reads), MAX_DEPTH).unwrap();
    assert_eq!(Value::from(picked).to_string(), r#"{"tier":"gold"}"#);
    assert_eq!(read(&message), Err(WireError::Truncated.into()));
}

#[test]
fn nesting_is_bounded_in_objects_and_lists() {
    let mut structs = entry("x", b"");
    let mut lists = number(1.0);
    for _ in 1..MAX_DEPTH {
        structs = entry("x", &delimited(5, &structs));
        lists = delimited(6, &delimited(1, &lists));
    }
    assert!(read(&structs).is_ok());
    assert!(read(&entry("x", &lists)).is_ok());
    let deeper = entry("x", &delimited(5, &structs));
    assert_eq!(read(&deeper), Err(InvalidMetadata::TooDeep));
    let deeper = entry("x", &delimited(6, &delimited(1, &lists)));
    assert_eq!(read(&deeper), Err(InvalidMetadata::TooDeep));
}

#[test]
fn a_value_of_two_kinds_is_refused() {
    let two = entry("x", &[number(1.0), string("a")].concat());
    assert_eq!(read(&two), Err(WireError::Repeated.into()));
}

#[test]
fn any_keeps_its_bytes_and_proto_json_expands_what_is_known() {
    let any =
        |url: &str, bytes: &[u8]| [delimited(1, url.as_bytes()), delimited(2, bytes)].concat();
    let built = |encoding, message: &[u8]| {
        AnyPlan::new(&Reads::Everything, encoding)
            .build(message)
            .unwrap()
            .to_string()
    };
    let known = any(
        "type.googleapis.com/google.protobuf.Struct",
        &entry("a", &number(1.0)),
    );
    assert_eq!(
        built(Encoding::ProtoJson, &known),
        r#"{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"a":1}}"#
    );
    assert!(built(Encoding::Reference, &known).contains(r#""typeUrl":"type.googleapis.com"#));
    let unknown = any("x/y.Z", b"\x01\x02");
    assert_eq!(
        built(Encoding::ProtoJson, &unknown),
        r#"{"@type":"x/y.Z","value":"AQI="}"#
    );
    assert_eq!(
        built(Encoding::Reference, &unknown),
        r#"{"typeUrl":"x/y.Z","type_url":"x/y.Z","value":"AQI="}"#
    );
    let time = any("x/google.protobuf.Timestamp", &[0x08, 1]);
    assert!(built(Encoding::ProtoJson, &time).contains(r#""value":"1970-01-01T00:00:01Z""#));
    let string = any("google.protobuf.StringValue", &delimited(1, b"s"));
    assert!(built(Encoding::ProtoJson, &string).contains(r#""value":"s""#));
    assert_eq!(built(Encoding::Reference, b""), "{}");
}
