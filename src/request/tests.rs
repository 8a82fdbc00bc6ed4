//! Merging of repeated messages, bounds, and the accessors on hand-made bytes.

use super::*;

/// A length-delimited field.
fn delimited(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len().try_into().unwrap(), &mut field);
    field.extend(bytes);
    field
}

/// A CheckRequest around the fields of its `attributes.request.http`.
fn with_http(http: &[u8]) -> Vec<u8> {
    delimited(1, &delimited(4, &delimited(2, http)))
}

fn header(name: &str, value: &str) -> Vec<u8> {
    let entry = [
        delimited(1, name.as_bytes()),
        delimited(2, value.as_bytes()),
    ];
    delimited(3, &entry.concat())
}

#[test]
fn no_bytes_are_a_request_without_anything() {
    let view = RequestView::parse(b"").unwrap();
    assert!(view.attributes.is_none());
    assert!(view.is_tcp());
    assert_eq!(view.source_principal(), "");
    assert_eq!(view.destination_port(), None);
    assert_eq!(view.header("x"), None);
    assert_eq!(view.context_extension("x"), None);
}

#[test]
fn a_message_that_comes_twice_is_merged() {
    let first = with_http(
        &[
            delimited(2, b"GET"),
            delimited(4, b"/a"),
            header("x-a", "1"),
        ]
        .concat(),
    );
    let second = with_http(&[delimited(4, b"/b"), header("x-b", "2")].concat());
    let bytes = [first, second].concat();
    let view = RequestView::parse(&bytes).unwrap();
    let http = view.http().unwrap();
    assert_eq!((http.method(), http.path()), ("GET", "/b"));
    assert_eq!(view.header("x-a").as_deref(), Some("1"));
    assert_eq!(view.header("x-b").as_deref(), Some("2"));
}

#[test]
fn an_address_keeps_the_last_of_its_kinds() {
    let socket = |port: u8| delimited(1, &[0x18, port]);
    let host = delimited(1, &delimited(2, b"10.0.0.1"));
    let pipe = delimited(2, &delimited(1, b"/run/x"));
    let read = |address: &[u8]| {
        let bytes = delimited(1, &delimited(2, &delimited(1, address)));
        RequestView::parse(&bytes).unwrap().destination_port()
    };
    assert_eq!(read(&[socket(80), host].concat()), Some(80));
    assert_eq!(read(&[socket(80), pipe.clone()].concat()), None);
    assert_eq!(read(&[pipe, socket(0)].concat()), Some(0));
    let named = delimited(1, &[vec![0x18, 80], delimited(4, b"http")].concat());
    assert_eq!(read(&named), None);
}

#[test]
fn a_string_that_is_not_utf8_is_refused_wherever_it_stands() {
    let bad = b"\xff";
    let rule = WireError::Utf8;
    for (http, field) in [
        (delimited(1, bad), "http.id"),
        (delimited(4, bad), "http.path"),
        (delimited(11, bad), "http.body"),
        (delimited(3, &delimited(1, bad)), "http.headers"),
        (delimited(3, &delimited(2, bad)), "http.headers"),
        (
            delimited(13, &delimited(1, &delimited(1, bad))),
            "http.header_map",
        ),
    ] {
        let refused = RequestView::parse(&with_http(&http)).unwrap_err();
        assert_eq!(refused, InvalidRequest::Undecodable { field, rule });
    }
    for (number, field) in [
        (1, "source"),
        (2, "destination"),
        (10, "context_extensions"),
    ] {
        let bytes = delimited(1, &delimited(number, &delimited(2, bad)));
        let refused = RequestView::parse(&bytes).unwrap_err();
        assert_eq!(refused, InvalidRequest::Undecodable { field, rule });
    }
    let raw = delimited(13, &delimited(1, &delimited(3, bad)));
    assert!(RequestView::parse(&with_http(&raw)).is_ok());
    assert!(RequestView::parse(&with_http(&delimited(12, bad))).is_ok());
}

#[test]
fn headers_are_bounded_in_both_encodings_together() {
    let one = header("a", "1");
    let raw = delimited(13, &delimited(1, &delimited(1, b"a")));
    let most = one.repeat(MAX_HEADERS);
    assert!(RequestView::parse(&with_http(&most)).is_ok());
    assert_eq!(
        RequestView::parse(&with_http(&[most, raw].concat())).unwrap_err(),
        InvalidRequest::TooManyHeaders(MAX_HEADERS + 1)
    );
    assert_eq!(
        RequestView::parse(&with_http(&one.repeat(100_000))).unwrap_err(),
        InvalidRequest::TooManyHeaders(100_000)
    );
}

#[test]
fn paths_are_bounded() {
    let of_length = |length: usize| {
        let path = "/".repeat(length);
        RequestView::parse(&with_http(&delimited(4, path.as_bytes()))).map(|_| ())
    };
    assert_eq!(of_length(MAX_PATH), Ok(()));
    for length in [MAX_PATH + 1, 1024 * 1024] {
        assert_eq!(of_length(length), Err(InvalidRequest::PathTooLong(length)));
    }
}

#[test]
fn nothing_of_a_request_is_shown_by_debug() {
    let bytes = with_http(&header("authorization", "Bearer secret"));
    let view = RequestView::parse(&bytes).unwrap();
    assert!(!format!("{view:?} {:?}", view.http()).contains("secret"));
}
