//! Documents without their second spellings, and back.

use std::{fs, path::Path};

use proptest::prelude::*;

use super::*;
use crate::{
    identity::{Identity, Xfcc, jwt::JwtError},
    input::{Encoding, Options, Plan},
    request::RequestView,
};

/// The document with the camel case of every key that stands there in both spellings.
fn without_twins(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_twins).collect::<Vec<_>>().into(),
        Value::Object(fields) => {
            let twin = |key: &Value| {
                fields.iter().any(|(camel, _)| {
                    let name = camel.as_string().unwrap();
                    camel != key && text(&snake_case(name)) == *key
                })
            };
            let mut single = Value::new_object();
            for (key, field) in fields.iter().filter(|(key, _)| !twin(key)) {
                let object = single.as_object_mut().unwrap();
                object.insert(key.clone(), without_twins(field));
            }
            single
        }
        other => other.clone(),
    }
}

fn captured() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let wire = files.filter(|path| path.extension().is_some_and(|it| it == "pb"));
    wire.map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn every_captured_document_comes_back_as_policies_saw_it() {
    let mut compared = 0;
    for (name, bytes) in captured() {
        let view = RequestView::parse(&bytes).unwrap();
        let identity = Identity::of(&view, Xfcc::Ignored);
        for encoding in [Encoding::Reference, Encoding::ProtoJson] {
            let options = Options {
                encoding,
                ..Options::default()
            };
            let plan = Plan::everything(&options);
            let full = plan
                .build(&view, &identity, Err(JwtError::Missing))
                .unwrap();
            let record = without_twins(&full);
            assert_ne!(record, full, "{name}");
            let text = record.to_json_str().unwrap();
            let read = Value::from_json_str(&text).unwrap();
            assert_eq!(restore(&read), full, "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 60, "only {compared} documents");
}

#[test]
fn what_a_request_names_keeps_its_one_spelling() {
    let record = r#"{"attributes":{"request":{"http":{"headers":{"xY":"1"},"path":"/"}},
        "metadataContext":{"filterMetadata":{"rawBody":{"rawBody":1}}}},
        "jwt":{"claims":{"givenName":"A"}},"parsed_body":{"rawBody":2}}"#;
    let value = Value::from_json_str(record).unwrap();
    let restored = restore(&value).to_json_str().unwrap();
    for added in ["x_y", "raw_body", "given_name"] {
        assert!(!restored.contains(added), "{added}: {restored}");
    }
    assert!(restored.contains("metadata_context") && restored.contains("filter_metadata"));
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "[a-z]{0,3}".prop_map(Into::into),
    ];
    let key = prop::sample::select(vec![
        "attributes",
        "source",
        "address",
        "socketAddress",
        "portValue",
        "request",
        "http",
        "headerMap",
        "headers",
        "rawValue",
        "metadataContext",
        "typedFilterMetadata",
        "typeUrl",
        "x",
    ]);
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_record_holds_nothing_of_it_is_lost(json in any_json()) {
        let value = Value::from_json_str(&json.to_string()).unwrap();
        let both = restore(&value);
        prop_assert_eq!(restore(&both), both.clone());
        prop_assert_eq!(without_twins(&both), value);
    }
}
