//! What is an object, and what is none.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn an_object_is_read_as_serde_json_reads_it() {
    for text in [
        "{}",
        " {\"a\": 1}\r\n\t ",
        r#"{"a": null, "b": true, "c": -1, "d": 18446744073709551615, "e": 1.5, "f": "ä\n"}"#,
        r#"{"a": {"x": 1}, "b": {"x": 2}, "c": [{"x": 3}, {"x": 4}, []]}"#,
        r#"{"exp": 1e3, "nbf": -0, "iat": 36893488147419103232}"#,
    ] {
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), expected);
    }
}

#[test]
fn what_is_no_object_or_means_two_things_is_refused() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    let deep_list = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let table: [(&str, &[u8]); 22] = [
        ("nothing", b""),
        ("null", b"null"),
        ("a list", b"[]"),
        ("a string", b"\"a\""),
        ("a name twice", br#"{"iss": "a", "iss": "b"}"#),
        (
            "a name twice with one value",
            br#"{"iss": "a", "iss": "a"}"#,
        ),
        (
            "a name twice, once escaped",
            br#"{"iss": "a", "\u0069ss": "a"}"#,
        ),
        ("a name twice, below", br#"{"a": {"b": 1, "b": 1}}"#),
        ("a name twice, in a list", br#"{"a": [[{"b": 1, "b": 1}]]}"#),
        ("the empty name twice", br#"{"": 1, "": 1}"#),
        ("another behind it", b"{}{}"),
        ("text behind it", b"{} x"),
        ("a comma behind the last", br#"{"a": 1,}"#),
        ("a comment", b"{/* */}"),
        ("a number out of range", br#"{"exp": 1e400}"#),
        ("a number out of range below zero", br#"{"exp": -1e400}"#),
        ("NaN", br#"{"exp": NaN}"#),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("bytes that are no UTF-8", b"{\"a\": \"\xff\"}"),
        ("half of a surrogate pair", br#"{"a": "\ud800"}"#),
        ("objects too deep", deep.as_bytes()),
        ("lists too deep", deep_list.as_bytes()),
    ];
    for (what, text) in table {
        assert!(object(text).is_err(), "{what}");
    }
}

#[test]
fn depth_is_bounded_well_above_what_claims_need() {
    let text = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    assert!(object(text.as_bytes()).is_ok());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(value in any_json()) {
        let text = json!({ "value": value }).to_string();
        prop_assert_eq!(&object(text.as_bytes()).unwrap()["value"], &value);
    }

    #[test]
    fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..100)) {
        let known = serde_json::from_slice::<JsonObject>(&text).is_ok();
        // Stricter than `serde_json`, never laxer.
        prop_assert!(known || object(&text).is_err());
    }

    #[test]
    fn no_text_like_json_panics(text in r#"[{}\[\]":,a0-9e.\\ -]{0,60}"#) {
        let known = serde_json::from_str::<JsonObject>(&text).is_ok();
        prop_assert!(known || object(text.as_bytes()).is_err());
    }
}
