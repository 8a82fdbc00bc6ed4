//! The canonical form, compared with what `opa sign` (1.22.2) hashes.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::digest::hex;

fn canonical(form: Form, text: &str) -> Result<String, NotCanonical> {
    let mut out = Vec::new();
    write(form, text.as_bytes(), &mut |part| {
        out.extend_from_slice(part);
    })?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn json_keeps_its_numbers_and_loses_what_means_nothing() {
    for (text, expected) in [
        ("{ \"b\" : 1 , \"a\" : [ ] }", "{\"a\":[],\"b\":1}"),
        (
            "[1.0,1e3,10000000000000000000000,0.10,-0,1E+2,-0.0e-5]",
            "[1.0,1e3,10000000000000000000000,0.10,-0,1E+2,-0.0e-5]",
        ),
        ("{\"a\":1,\"b\":0,\"a\":2}", "{\"a\":2,\"b\":0}"),
        ("{\"a\":{\"x\":1},\"a\":{\"y\":2}}", "{\"a\":{\"y\":2}}"),
        ("\"\\u003c\\/\\u0026\\u007f\"", "\"</&\u{7f}\""),
        (
            "\"\\u0001\\b\\f\\n\\r\\t\\u001F\"",
            "\"\\u0001\\b\\f\\n\\r\\t\\u001f\"",
        ),
        ("\"\u{2028}é\u{2029}\"", "\"\\u2028é\\u2029\""),
        ("{\"\u{2028}\":1}", "{\"\\u2028\":1}"),
        (
            "{\"\\u00e9\":1,\"z\":2,\"A\":3}",
            "{\"A\":3,\"z\":2,\"é\":1}",
        ),
        (" null ", "null"),
    ] {
        assert_eq!(canonical(Form::Json, text).unwrap(), expected, "{text}");
    }
}

#[test]
fn yaml_becomes_the_json_that_opa_makes_of_it() {
    for (text, expected) in [
        ("q: 1.0\nr: 0x10\ns: 1e3\n", "{\"q\":1,\"r\":16,\"s\":1000}"),
        (
            "t: 1.2345678901234568e22\n",
            "{\"t\":1.2345678901234568e+22}",
        ),
        ("t: 0.00000012\nf: .5\n", "{\"f\":0.5,\"t\":1.2e-7}"),
        (
            "u: ~\nv: yes\nd: 2020-01-01\n",
            "{\"d\":\"2020-01-01\",\"u\":null,\"v\":\"yes\"}",
        ),
        ("1: 2\ntrue: 3\n", "{\"1\":2,\"true\":3}"),
        (
            "a: []\nb: {}\nc: [1, x]\n",
            "{\"a\":[],\"b\":{},\"c\":[1,\"x\"]}",
        ),
        // Valid JSON is read as such.
        ("{\"a\": 1.0}", "{\"a\":1.0}"),
    ] {
        assert_eq!(canonical(Form::Yaml, text).unwrap(), expected, "{text}");
    }
}

#[test]
fn the_hash_is_that_of_opa() {
    // Names and strings with every kind of escape, numbers of every form, a name that comes twice.
    let text = "{\"b\":1,\"a\":\"<é\\u2028&>\",\"n\":[1.0,1e3,10000000000000000000000,0.10,-0,1E+2,-0.0e-5], \"dup\":1,\"dup\":2,\"t\":true,\"nul\":null,\"esc\":\"\\u0001\\b\\f\\t\\u007f\\/\\\"\"}\n";
    let form = canonical(Form::Json, text).unwrap();
    assert_eq!(hex(&Sha256::digest(form)), OPA);
}

const OPA: &str = "d3b5c4ad1e1c586d8052b903f73d9eadc69998dd064e2352be4182626f43e29c";

#[test]
fn only_files_that_opa_takes_for_structured_are() {
    for (path, form) in [
        ("data.json", Some(Form::Json)),
        ("a/b/data.json", Some(Form::Json)),
        ("a/data.yaml", Some(Form::Yaml)),
        ("a/data.yml", Some(Form::Yaml)),
        (".manifest", Some(Form::Json)),
        ("a/.manifest", Some(Form::Json)),
        ("a/other.json", None),
        ("patch.json", None),
        ("data.json/x", None),
        ("a.rego", None),
    ] {
        assert_eq!(Form::of(path), form, "{path}");
    }
}

#[test]
fn what_is_not_valid_has_no_form() {
    for text in [
        "",
        "{",
        "{\"a\":1}x",
        "[1,]",
        "{\"a\" 1}",
        "\"\\ud800\"",
        "01",
        "NaN",
    ] {
        assert!(canonical(Form::Json, text).is_err(), "{text}");
    }
    // OPA rounds whole numbers beyond 64 bits; that is a reason to refuse.
    for text in ["a: [", "a: &x [*x", "t: 12345678901234567890123"] {
        assert!(canonical(Form::Yaml, text).is_err(), "{text}");
    }
}

#[test]
fn depth_is_bounded_by_an_error() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(canonical(Form::Json, &nested(MAX_DEPTH)).is_ok());
    assert!(canonical(Form::Json, &nested(MAX_DEPTH + 1)).is_err());
    assert!(canonical(Form::Json, &"[".repeat(100_000)).is_err());
    assert!(canonical(Form::Yaml, &nested(10_000)).is_err());
}

#[test]
fn a_long_text_whose_every_byte_lies_deep_is_refused_and_a_shallow_one_is_not() {
    let long = format!("[{}0]", "0,".repeat(1 << 20));
    let nested = |depth: usize| format!("{}{long}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(canonical(Form::Json, &nested(8)).is_ok());
    let refused = canonical(Form::Json, &nested(40)).unwrap_err().to_string();
    assert!(refused.contains("nested too deep"), "{refused}");
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[^\u{2028}\u{2029}]*".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::btree_map("[^\u{2028}\u{2029}]{0,6}", inner, 0..8)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_form_is_compact_and_sorted_however_it_was_written(value in any_json()) {
        let pretty = format!("{value:#}");
        let form = canonical(Form::Json, &pretty).unwrap();
        // `serde_json` orders names by bytes.
        prop_assert_eq!(&form, &value.to_string());
        prop_assert_eq!(canonical(Form::Json, &form).unwrap(), form);
    }
}
