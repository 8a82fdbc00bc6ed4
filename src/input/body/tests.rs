//! Which rule applies to which body, and what becomes of bodies that came only in part.

use super::*;

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const MULTIPART: (&str, &str) = ("content-type", "multipart/form-data; boundary=b");
const PARTS: &str = "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--b--";

fn read_http(http: &Http<'_>) -> Result<Body, InvalidBody> {
    let target = Target::parse("POST", "/a", false).unwrap();
    parse(http, &target, None)
}

/// Reads the body in both of Envoy's encodings, which must come to the same.
fn read(headers: &[(&str, &str)], body: &str) -> Result<Body, InvalidBody> {
    let mut text = Http::for_tests("/a", headers);
    text.body = body;
    let mut raw = Http::for_tests("/a", headers);
    raw.raw_body = body.as_bytes();
    let (text, raw) = (read_http(&text), read_http(&raw));
    match (&text, &raw) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("{text:?} is not {raw:?}"),
    }
    text
}

fn parsed(headers: &[(&str, &str)], body: &str) -> String {
    match read(headers, body) {
        Ok(Body::Parsed(value)) => value.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_content_type_decides_by_the_words_it_contains() {
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json-patch+json",
        "text/plain,application/json",
    ] {
        let headers = [("content-type", content_type)];
        assert_eq!(
            parsed(&headers, r#"{"a":1}"#),
            r#"{"a":1}"#,
            "{content_type}"
        );
    }
    assert_eq!(parsed(&[FORM], "a=1&a=2&b"), r#"{"a":["1","2"],"b":[""]}"#);
    assert_eq!(parsed(&[MULTIPART], PARTS), r#"{"x":["1"]}"#);
    for content_type in [
        "",
        "text/plain",
        "application/problem+json",
        "APPLICATION/JSON",
        "application/grpc",
        "application/yaml",
    ] {
        let headers = [("content-type", content_type)];
        assert_eq!(read(&headers, "{").unwrap(), Body::None, "{content_type}");
    }
    assert_eq!(read(&[], r#"{"a":1}"#).unwrap(), Body::None);
}

#[test]
fn a_partial_body_is_truncated_whatever_else_is_true() {
    let partial = ("x-envoy-auth-partial-body", "true");
    for headers in [&[partial][..], &[partial, JSON], &[partial, FORM]] {
        for body in ["", "{", "a=%"] {
            assert_eq!(read(headers, body).unwrap(), Body::Truncated, "{headers:?}");
        }
    }
    for word in ["false", "True", "true,true", ""] {
        let headers = [("x-envoy-auth-partial-body", word), JSON];
        assert_eq!(parsed(&headers, "1"), "1", "{word}");
    }
}

#[test]
fn a_body_shorter_than_announced_is_truncated() {
    for (kind, body) in [(JSON, "[1]"), (FORM, "a=1"), (MULTIPART, PARTS)] {
        let read_with = |length: &str| read(&[kind, ("content-length", length)], body);
        let length = body.len().to_string();
        assert!(
            matches!(read_with(&length), Ok(Body::Parsed(_))),
            "{kind:?}"
        );
        for enough in ["0", "1", "+1", "-1", "-9"] {
            assert!(matches!(read_with(enough), Ok(Body::Parsed(_))), "{enough}");
        }
        for more in ["4096", "+4096", "9223372036854775807"] {
            assert_eq!(read_with(more).unwrap(), Body::Truncated, "{more}");
        }
        for wrong in ["", "x", "3,3", "3 ", "0x3", "9223372036854775808", "1.0"] {
            let refused = read_with(wrong);
            assert!(
                matches!(refused, Err(InvalidBody::ContentLength(_))),
                "{wrong}"
            );
        }
        // Nothing of it came: there is no body, and its length is not looked at.
        let headers = [kind, ("content-length", "x")];
        assert_eq!(read(&headers, "").unwrap(), Body::None);
    }
}

#[test]
fn a_body_that_is_not_what_it_says_is_refused() {
    for body in [" ", "{", "{} x", "\u{feff}{}", "a: 1"] {
        let refused = read(&[JSON], body);
        assert!(matches!(refused, Err(InvalidBody::Json(_))), "{body}");
    }
    for body in ["a=1;b=2", "a=%zz", "%"] {
        let refused = read(&[FORM], body);
        assert!(matches!(refused, Err(InvalidBody::Form(_))), "{body}");
    }
    let refused = read(&[MULTIPART], "--b\r\n");
    assert!(matches!(refused, Err(InvalidBody::Multipart(_))));
    let headers = [("content-type", "multipart/form-data")];
    assert_eq!(read(&headers, "x").unwrap(), Body::None);
}

#[test]
fn a_chunked_body_is_read_like_one_with_a_length() {
    // GHSA-659f-rgp5-w4wf: a body without content-length was not shown to the policy.
    assert_eq!(parsed(&[JSON], r#"{"admin":true}"#), r#"{"admin":true}"#);
}
