//! What is read is what serde reads, kept once, and shared with what came before.

use proptest::prelude::*;

use super::*;

fn whole<'de, R: serde_json::de::Read<'de>>(
    mut source: serde_json::Deserializer<R>,
    last: Option<&Value>,
) -> serde_json::Result<Value> {
    let value = Document::after(last).deserialize(&mut source)?;
    source.end()?;
    Ok(value)
}

fn from_text(text: &str, last: Option<&Value>) -> serde_json::Result<Value> {
    whole(serde_json::Deserializer::from_str(text), last)
}

fn from_reader(bytes: &[u8], last: Option<&Value>) -> serde_json::Result<Value> {
    whole(serde_json::Deserializer::from_reader(bytes), last)
}

fn read(text: &str) -> Value {
    let streamed = from_reader(text.as_bytes(), None).unwrap();
    assert_eq!(exactly(&streamed), exactly(&from_text(text, None).unwrap()));
    streamed
}

/// All that can be told of a value.
fn exactly(value: &Value) -> String {
    format!("{value:?}")
}

/// How many arrays and objects there are in memory.
fn trees(values: &[&Value]) -> usize {
    fn collect(value: &Value, seen: &mut std::collections::BTreeSet<usize>) {
        match value {
            Value::Array(items) => {
                seen.insert(std::sync::Arc::as_ptr(items).addr());
                for item in items.iter() {
                    collect(item, seen);
                }
            }
            Value::Object(entries) => {
                seen.insert(std::sync::Arc::as_ptr(entries).addr());
                for item in entries.values() {
                    collect(item, seen);
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Set(_)
            | Value::Undefined => {}
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for value in values {
        collect(value, &mut seen);
    }
    seen.len()
}

#[test]
fn values_are_those_of_serde_json() {
    for text in [
        "null",
        "[]",
        "{}",
        r#"{"b":1,"a":[true,false,null,"x","x"],"c":{"b":1}}"#,
        "[0,-0,0.0,-0.0,1,1.0,1e2,-1,18446744073709551615,18446744073709551616,-9223372036854775809]",
        r#"["\u0000\ud83d\ude00\"\\/","ä"]"#,
        "  [ 1 , 2 ]  ",
    ] {
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(exactly(&read(text)), exactly(&expected), "{text}");
    }
}

#[test]
fn of_a_key_that_comes_twice_the_last_counts() {
    assert_eq!(read(r#"{"a":1,"b":2,"a":3}"#), read(r#"{"b":2,"a":3}"#));
    assert_ne!(read(r#"{"a":1,"b":2,"a":3}"#), read(r#"{"b":2,"a":1}"#));
}

#[test]
fn no_key_turns_an_object_into_a_number() {
    let text = r#"{"$serde_json::private::Number":"12"}"#;
    assert_eq!(read(text).as_object().unwrap().len(), 1);
}

#[test]
fn what_is_no_json_is_refused_in_both_forms() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let texts = [
        "",
        "{",
        "[1,]",
        "[1] 2",
        "{1:2}",
        "\"\\ud800\"",
        "1e999",
        deep.as_str(),
    ];
    for text in texts {
        let streamed = from_reader(text.as_bytes(), None).unwrap_err();
        let whole = from_text(text, None).unwrap_err();
        assert_eq!(streamed.to_string(), whole.to_string(), "{text}");
    }
    assert!(from_reader(&[b'"', 0xff, b'"'], None).is_err());
}

#[test]
fn equal_trees_exist_once_and_those_that_only_seem_equal_do_not() {
    let value = read(r#"[{"a":["x"]},{"a":["x"]},["x"]]"#);
    assert_eq!(trees(&[&value]), 3);
    let value = read("[[1],[1.0],[0.0],[-0.0]]");
    assert_eq!(trees(&[&value]), 5);
}

#[test]
fn what_is_equal_in_the_last_tree_is_shared_with_it_also_where_keys_come_and_go() {
    let last = read(r#"{"a":{"x":[1]},"b":{"x":[2]},"d":{"x":[3]}}"#);
    for (text, new) in [
        (r#"{"a":{"x":[1]},"b":{"x":[2]},"d":{"x":[3]}}"#, 0),
        (r#"{"d":{"x":[3]},"b":{"x":[2]},"a":{"x":[1]}}"#, 0),
        (r#"{"a":{"x":[1]},"c":{"x":[4]},"d":{"x":[3]}}"#, 3),
        (r#"{"d":{"x":[3]},"c":{"x":[4]},"a":{"x":[1]}}"#, 3),
        (r#"{"a":{"x":[1.0]},"b":{"x":[2]},"d":{"x":[3]}}"#, 3),
        (r#"{"0":1,"b":{"x":[2]}}"#, 1),
        ("[1]", 1),
    ] {
        let next = from_reader(text.as_bytes(), Some(&last)).unwrap();
        assert_eq!(exactly(&next), exactly(&read(text)), "{text}");
        assert_eq!(trees(&[&last, &next]) - trees(&[&last]), new, "{text}");
    }
}

#[test]
fn a_pool_that_is_full_forgets_and_goes_on() {
    let texts: Vec<String> = (0..300_000).map(|at| format!("\"{at}\"")).collect();
    let text = format!("[{}]", texts.join(","));
    assert_eq!(read(&text), serde_json::from_str(&text).unwrap());
}

fn documents() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value as Json, json};
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-3..3_i64).prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        prop_oneof![Just(0.0), Just(-0.0), Just(1.0), any::<f64>()].prop_map(|f| json!(f)),
        "[ab]{0,2}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        let entries = prop::collection::vec(("[abc]{0,2}", inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Json::from),
            entries.prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_after_any_other_is_what_serde_json_reads(
        before in documents(),
        after in documents(),
    ) {
        let last = read(&before.to_string());
        let kept = exactly(&last);
        let text = after.to_string();
        let next = from_reader(text.as_bytes(), Some(&last)).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(exactly(&next), exactly(&expected));
        prop_assert_eq!(exactly(&last), kept);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let ours = from_reader(&bytes, None).map(|value| exactly(&value)).ok();
        let theirs = serde_json::from_slice::<Value>(&bytes).map(|value| exactly(&value)).ok();
        prop_assert_eq!(ours, theirs);
    }
}
