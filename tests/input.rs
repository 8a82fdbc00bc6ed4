//! The request view and the input document: every captured request, random requests compared with
//! prost and with the reference's rules, and bytes that are not requests.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "input/logged.rs"]
mod logged;
#[path = "input/requests.rs"]
mod requests;
#[path = "input/wire_types.rs"]
mod wire_types;

use std::{fs, path::PathBuf};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use portcullis::{
    check::Callers,
    clock::Clock,
    identity::{Identity, Xfcc, jwt::JwtError},
    input::{Encoding, InvalidInput, InvalidPath, Options, Plan, Reads, Token, Value},
    request::{InvalidRequest, RequestView, WireError},
};
use proptest::{prelude::*, sample::Index};
use prost::Message as _;

fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let mut captures: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "pb"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    captures.sort();
    assert!(
        captures.len() > 30,
        "the captures are not where they should be"
    );
    captures
}

const NO_TOKEN: Token<'static> = Err(JwtError::Missing);

fn capture(name: &str) -> CheckRequest {
    let (_, bytes) = captures().into_iter().find(|(n, _)| n == name).unwrap();
    CheckRequest::decode(bytes.as_slice()).unwrap()
}

fn build(plan: &Plan, bytes: &[u8]) -> Result<Value, InvalidInput> {
    let view = RequestView::parse(bytes).expect("a readable CheckRequest");
    let identity = Identity::of(&view, Xfcc::Ignored);
    let callers = Callers::default();
    let token = callers.tokens.present(&view, Clock::System.now()).token;
    let token = token.as_ref().map(|verified| &verified.document);
    plan.build(&view, &identity, token.map_err(|error| *error))
}

fn document(bytes: &[u8], options: &Options) -> Value {
    build(&Plan::everything(options), bytes).expect("a valid request")
}

fn with_path(path: &str) -> Result<Value, InvalidInput> {
    let mut request = capture("http1-plaintext-get");
    let http = request
        .attributes
        .as_mut()
        .unwrap()
        .request
        .as_mut()
        .unwrap();
    path.clone_into(&mut http.http.as_mut().unwrap().path);
    build(
        &Plan::everything(&Options::default()),
        &request.encode_to_vec(),
    )
}

/// What a reference into the document finds.
fn lookup<'v>(document: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(document, |value, key| {
        value.as_object().ok()?.get(&Value::from(*key))
    })
}

#[test]
fn every_capture_has_its_document() {
    for (name, bytes) in captures() {
        insta::assert_json_snapshot!(name, document(&bytes, &Options::default()));
    }
}

#[test]
fn proto_json_changes_time_numbers_and_any() {
    let options = Options {
        encoding: Encoding::ProtoJson,
        ..Options::default()
    };
    for name in ["http1-nonutf8-body", "tcp-rich-plaintext"] {
        let bytes = capture(name).encode_to_vec();
        insta::assert_json_snapshot!(format!("protojson-{name}"), document(&bytes, &options));
    }
}

#[test]
fn skipping_the_body_leaves_its_keys_out() {
    let options = Options {
        skip_request_body_parse: true,
        ..Options::default()
    };
    let bytes = capture("http2-mtls-json-body").encode_to_vec();
    let (with, without) = (
        document(&bytes, &Options::default()),
        document(&bytes, &options),
    );
    for key in ["parsed_body", "truncated_body"] {
        assert!(lookup(&with, &[key]).is_some());
        assert!(lookup(&without, &[key]).is_none());
    }
    assert_eq!(
        lookup(&with, &["parsed_path"]),
        lookup(&without, &["parsed_path"])
    );
}

#[test]
fn the_empty_request_has_the_reference_document() {
    assert_eq!(
        document(b"", &Options::default()).to_string(),
        concat!(
            r#"{"jwt_error":"missing","parsed_body":null,"parsed_path":[""],"parsed_query":{},"#,
            r#""truncated_body":false,"version":{"encoding":"protojson","ext_authz":"v3"}}"#
        )
    );
}

#[test]
fn the_published_skeleton_gets_only_what_it_reads() {
    let mut reads = Reads::default();
    reads.add(["attributes", "source", "principal"]);
    let claims = [
        "attributes",
        "metadata_context",
        "filter_metadata",
        requests::JWT_AUTHN,
        "fields",
    ];
    reads.add(claims);
    let plan = Plan::new(&reads, &Options::default());
    let bytes = capture("rich-headers-mtls-jwt-sni").encode_to_vec();
    insta::assert_json_snapshot!("skeleton", build(&plan, &bytes).unwrap());
}

#[test]
fn both_header_encodings_give_one_document() {
    use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};
    for (name, bytes) in captures() {
        let mut request = CheckRequest::decode(bytes.as_slice()).unwrap();
        let Some(http) = (request.attributes.as_mut())
            .and_then(|a| a.request.as_mut())
            .and_then(|r| r.http.as_mut())
        else {
            continue;
        };
        // Envoy joins repeated headers in the map; in the list they stand one by one.
        http.headers.insert("x-dup".to_owned(), "1,2".to_owned());
        let mut listed = http.clone();
        let headers = (listed.headers.drain())
            .filter(|(key, _)| key != "x-dup")
            .chain([("X-Dup".into(), "1".into()), ("x-dup".into(), "2".into())]);
        let headers = headers.map(|(key, value)| HeaderValue {
            key,
            value: String::new(),
            raw_value: value.into_bytes(),
        });
        http.header_map = None;
        listed.header_map = Some(HeaderMap {
            headers: headers.collect(),
        });
        if !listed.body.is_empty() {
            listed.raw_body = std::mem::take(&mut listed.body).into_bytes();
        }
        let mapped = document(&request.encode_to_vec(), &Options::default());
        *request
            .attributes
            .as_mut()
            .unwrap()
            .request
            .as_mut()
            .unwrap()
            .http
            .as_mut()
            .unwrap() = listed;
        let listed = document(&request.encode_to_vec(), &Options::default());
        for path in [
            &["attributes", "request", "http", "headers"][..],
            &["parsed_body"],
            &["truncated_body"],
            &["jwt_error"],
        ] {
            assert_eq!(
                lookup(&mapped, path),
                lookup(&listed, path),
                "{name} {path:?}"
            );
        }
    }
}

#[test]
fn a_header_that_is_not_utf8_is_read_as_envoy_would_send_it() {
    let bytes = capture("rich-rawheaders-mtls-jwt-json").encode_to_vec();
    let document = document(&bytes, &Options::default());
    let headers = lookup(&document, &["attributes", "request", "http", "headers"]).unwrap();
    assert_eq!(lookup(headers, &["x-latin"]), Some(&Value::from("caf!")));
    assert_eq!(lookup(headers, &["x-dup"]), Some(&Value::from("1,2")));
}

#[test]
fn forwarded_headers_never_change_path_host_or_scheme() {
    let mut request = capture("http1-plaintext-get");
    let before = document(&request.encode_to_vec(), &Options::default());
    let http = request
        .attributes
        .as_mut()
        .unwrap()
        .request
        .as_mut()
        .unwrap()
        .http
        .as_mut()
        .unwrap();
    for (key, value) in [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-uri", "/admin"),
        ("x-forwarded-host", "admin.example"),
        ("x-original-url", "/admin"),
        ("x-envoy-original-path", "/admin"),
        ("forwarded", "host=admin.example;proto=https"),
        (":path", "/admin"),
    ] {
        http.headers.insert(key.to_owned(), value.to_owned());
    }
    let after = document(&request.encode_to_vec(), &Options::default());
    for key in ["path", "host", "scheme", "query"] {
        let path = ["attributes", "request", "http", key];
        assert_eq!(lookup(&before, &path), lookup(&after, &path), "{key}");
    }
    assert_eq!(
        lookup(&before, &["parsed_path"]),
        lookup(&after, &["parsed_path"])
    );
}

#[test]
fn a_path_without_a_slash_has_no_document_and_one_with_it_has() {
    for path in ["svc/Method", ""] {
        let refused = with_path(path);
        assert!(
            matches!(refused, Err(InvalidInput::Path(InvalidPath::Form))),
            "{path}"
        );
    }
    assert!(with_path("/svc/Method").is_ok());
}

#[test]
fn a_bad_path_is_refused_even_when_no_policy_reads_it() {
    let plan = Plan::new(&Reads::Nothing, &Options::default());
    let mut request = capture("http1-plaintext-get");
    assert_eq!(
        build(&plan, &request.encode_to_vec()).unwrap().to_string(),
        "{}"
    );
    for path in ["/a%zz", "/a?x=1;y", "a"] {
        let http = request
            .attributes
            .as_mut()
            .unwrap()
            .request
            .as_mut()
            .unwrap();
        path.clone_into(&mut http.http.as_mut().unwrap().path);
        assert!(build(&plan, &request.encode_to_vec()).is_err(), "{path}");
    }
}

#[test]
fn a_body_is_parsed_only_when_it_is_read() {
    let mut request = capture("http2-mtls-json-body");
    let http = request
        .attributes
        .as_mut()
        .unwrap()
        .request
        .as_mut()
        .unwrap()
        .http
        .as_mut()
        .unwrap();
    "{".clone_into(&mut http.body);
    http.headers.remove("content-length");
    let bytes = request.encode_to_vec();
    for (key, valid) in [
        ("parsed_path", true),
        ("parsed_body", false),
        ("truncated_body", false),
    ] {
        let mut reads = Reads::default();
        reads.add([key]);
        let built = build(&Plan::new(&reads, &Options::default()), &bytes);
        assert_eq!(built.is_ok(), valid, "{key}");
    }
}

/// Drops the `snake_case` spellings; the random requests have no `_` in keys of their own.
fn camel_only(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match json {
        Json::Object(fields) => (fields.into_iter())
            .filter(|(key, _)| !key.contains('_') || key == requests::JWT_AUTHN)
            .map(|(key, value)| (key, camel_only(value)))
            .collect(),
        Json::Array(items) => items.into_iter().map(camel_only).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => json,
    }
}

/// All paths of a document, through its objects.
fn paths(document: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
    if let Ok(object) = document.as_object() {
        for (key, value) in object.iter() {
            let mut path = path.to_vec();
            path.push(key.as_string().unwrap().to_string());
            paths(value, &path, found);
            found.push(path);
        }
    }
}

proptest! {
    #[test]
    fn the_view_agrees_with_prost(request in requests::check_request()) {
        let bytes = request.encode_to_vec();
        let view = RequestView::parse(&bytes).unwrap();
        let attributes = request.attributes.unwrap_or_default();
        let source = attributes.source.unwrap_or_default();
        prop_assert_eq!(view.source_principal(), source.principal);
        for (key, value) in &attributes.context_extensions {
            prop_assert_eq!(view.context_extension(key), Some(value.as_str()));
        }
        let http = attributes.request.and_then(|request| request.http);
        prop_assert_eq!(view.is_tcp(), http.is_none());
        if let (Some(view_http), Some(http)) = (view.http(), &http) {
            prop_assert_eq!(view_http.id(), &http.id);
            prop_assert_eq!(view_http.method(), &http.method);
            prop_assert_eq!(view_http.path(), &http.path);
            prop_assert_eq!(view_http.host(), &http.host);
            prop_assert_eq!(view_http.scheme(), &http.scheme);
            prop_assert_eq!(view_http.protocol(), &http.protocol);
            let body = if http.body.is_empty() { http.raw_body.len() } else { http.body.len() };
            prop_assert_eq!(view_http.body_len(), body);
            for name in ["a", "b", "-", "aa", "ab", "c-", "zz"] {
                prop_assert_eq!(view.header(name).map(String::from), requests::header(http, name));
            }
        }
    }

    #[test]
    fn the_document_is_the_reference_document(request in requests::check_request()) {
        let document = document(&request.encode_to_vec(), &Options::default());
        let ours = serde_json::to_value(&document).unwrap();
        let ours = ours.get("attributes").cloned().map(camel_only);
        prop_assert_eq!(ours, request.attributes.as_ref().map(requests::attributes));
    }

    #[test]
    fn a_plan_builds_for_every_path_it_reads_what_the_full_document_has(
        request in requests::check_request(),
        choice in prop::collection::vec((any::<Index>(), 0_usize..9, any::<bool>()), 0..6),
    ) {
        let bytes = request.encode_to_vec();
        let full = document(&bytes, &Options::default());
        let mut all = Vec::new();
        paths(&full, &[], &mut all);
        let (mut reads, mut chosen) = (Reads::default(), Vec::new());
        for (index, length, absent) in choice {
            let mut path = index.get(&all).clone();
            path.truncate(length);
            if absent {
                path.push("nothing".to_owned());
            }
            reads.add(path.iter().map(String::as_str));
            chosen.push(path);
        }
        let partial = build(&Plan::new(&reads, &Options::default()), &bytes).unwrap();
        for path in &chosen {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            prop_assert_eq!(lookup(&partial, &path), lookup(&full, &path), "{:?}", path);
            // A variable may stand for any part on the way: it is there whenever the part is.
            for end in 0..path.len() {
                let (partial, full) = (lookup(&partial, &path[..end]), lookup(&full, &path[..end]));
                prop_assert_eq!(partial.is_some(), full.is_some(), "{:?}", &path[..end]);
            }
        }
    }

    #[test]
    fn damaged_captures_are_judged_as_prost_judges_them(
        capture in any::<Index>(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, any::<Index>()),
    ) {
        let captures = CAPTURES.with(Clone::clone);
        let mut bytes = capture.get(&captures).1.clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        judge(&bytes)?;
    }

    #[test]
    fn any_bytes_are_judged_as_prost_judges_them(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        judge(&bytes)?;
    }
}

thread_local! {
    static CAPTURES: Vec<(String, Vec<u8>)> = captures();
}

/// We accept what prost accepts, but for what the view's documentation excepts.
fn judge(bytes: &[u8]) -> Result<(), TestCaseError> {
    let theirs = CheckRequest::decode(bytes);
    let mut reads = Reads::default();
    reads.add(["attributes"]);
    let view = match RequestView::parse(bytes) {
        Ok(view) => view,
        // Groups and a second value in an entry, which prost would take, and map fields of a wrong
        // wire type, which prost takes for the right one.
        Err(InvalidRequest::Undecodable {
            rule: WireError::WireType | WireError::Repeated | WireError::Mismatch,
            ..
        }) => return Ok(()),
        Err(error) => {
            // Such a map field may also end the message for us, who go by its wire type.
            let excepted = wire_types::has_a_wrong_map(bytes);
            prop_assert!(
                theirs.is_err() || excepted,
                "prost accepts what we refuse: {error:?}"
            );
            return Ok(());
        }
    };
    let plan = Plan::new(&reads, &Options::default());
    match plan.build(&view, &Identity::default(), NO_TOKEN) {
        Ok(_) => prop_assert!(theirs.is_ok(), "prost refuses what we accept"),
        // Not a question of the encoding, or one that is asked only when metadata is read.
        Err(InvalidInput::Path(_) | InvalidInput::Body(_) | InvalidInput::Metadata { .. }) => {}
    }
    // Whatever it is, the full document is built or refused, and nothing panics.
    drop(Plan::everything(&Options::default()).build(&view, &Identity::default(), NO_TOKEN));
    Ok(())
}
