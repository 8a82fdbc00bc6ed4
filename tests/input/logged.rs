//! The document as text for logs is the full document without its second spellings.

use portcullis::{
    input::logged,
    redact::{credentials, json::Json},
};
use serde_json::{Map, Value as Tree};

use super::*;

/// The document for logs, with nothing taken out.
fn logged(bytes: &[u8], options: &Options) -> Tree {
    let redactor = credentials::Redactor::new(&credentials::Options {
        off: true,
        ..credentials::Options::default()
    });
    let view = RequestView::parse(bytes).expect("a readable CheckRequest");
    let identity = Identity::of(&view, Xfcc::Ignored);
    let mut json = Json::new(&redactor, 0);
    let callers = Callers::default();
    let token = callers.tokens.present(&view, Clock::System.now()).token;
    let token = token.as_ref().map(|verified| &verified.document);
    let token = token.map_err(|error| *error);
    logged::write(&mut json, options, &view, &identity, token);
    assert!(json.redacted().is_empty());
    serde_json::from_slice(&json.into_bytes()).expect("JSON")
}

/// Drops every key that is the snake case of another one with the same value.
fn without_twins(tree: Tree) -> Tree {
    match tree {
        Tree::Object(fields) => {
            let twins: Vec<String> = (fields.iter())
                .map(|(key, value)| (snake_case(key), key, value))
                .filter(|(snake, key, value)| snake != *key && fields.get(snake) == Some(*value))
                .map(|(snake, _, _)| snake)
                .collect();
            let left = fields.into_iter().filter(|(key, _)| !twins.contains(key));
            Tree::Object(
                left.map(|(key, value)| (key, without_twins(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Tree::Array(items) => items.into_iter().map(without_twins).collect(),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => tree,
    }
}

fn snake_case(camel: &str) -> String {
    let mut snake = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

fn full(bytes: &[u8], options: &Options) -> Tree {
    without_twins(serde_json::to_value(document(bytes, options)).unwrap())
}

fn both_encodings() -> [Options; 3] {
    let [mut proto, mut skipping] = [Options::default(), Options::default()];
    proto.encoding = Encoding::ProtoJson;
    skipping.skip_request_body_parse = true;
    [Options::default(), proto, skipping]
}

#[test]
fn of_every_capture_the_full_document_is_logged() {
    for (name, bytes) in captures() {
        for options in both_encodings() {
            assert_eq!(logged(&bytes, &options), full(&bytes, &options), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn of_every_request_the_full_document_is_logged(request in requests::check_request()) {
        let bytes = request.encode_to_vec();
        for options in both_encodings() {
            prop_assert_eq!(logged(&bytes, &options), full(&bytes, &options));
        }
    }

    #[test]
    fn whatever_the_path_and_the_body_are_there_is_a_document(
        path in "\\PC{0,20}",
        body in "\\PC{0,20}",
        content_type in prop::sample::select(&["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/grpc"][..]),
    ) {
        let mut request = capture("http2-mtls-json-body");
        let http = request.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        http.path = path.clone();
        http.body = body;
        http.headers.insert("content-type".to_owned(), content_type.to_owned());
        let tree = logged(&request.encode_to_vec(), &Options::default());
        let shown = tree.pointer("/attributes/request/http/path").and_then(Tree::as_str);
        prop_assert_eq!(shown.unwrap_or_default(), path);
    }
}
