//! Input made to hurt: refused with its reason, never a panic, never an allow.

use std::time::Duration;

use envoy_types::pb::{
    envoy::config::core::v3::{HeaderMap, HeaderValue, Metadata},
    google::protobuf::{ListValue, Struct, Value, value::Kind},
};
use portcullis::{
    check::{
        Active, Callers,
        budget::{self, Budget},
        decide,
    },
    clock::Clock,
    decision::Decision,
    input,
    outcome::Outcome,
    policy::{Entrypoint, Externals, LoadOptions, Policy, PolicyFile},
    request::RequestView,
    response::{Options, Reply, respond},
};
use prost::Message as _;

use crate::{
    failures::{code, decision_id},
    log,
    requests::{self, GET, POST, captures, field, raw_http},
    server::Server,
};

/// Allows what comes from the namespace `foo`, and reads everything there is before it does.
pub(crate) const READS_ALL: &str = r#"package envoy.authz

default allow := false

allow if {
	json.marshal(input) != ""
	input.source.spiffe.namespace == "foo"
	input.parsed_path[0] == "api"
}
"#;

fn active(policy: &str) -> Active {
    let file = PolicyFile {
        name: "policy.rego".to_owned(),
        data_path: Vec::new(),
        bytes: policy.as_bytes().to_vec(),
    };
    let path = ["envoy", "authz", "allow"].map(str::to_owned);
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(path.to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    Active::new(
        Policy::load(&[file], &options).unwrap(),
        &input::Options::default(),
    )
}

/// The line from bytes to bytes, without what isolates panics.
fn judge(active: &Active, bytes: &[u8]) -> Outcome {
    let options = budget::Options {
        budget: Duration::from_mins(1),
        ..budget::Options::default()
    };
    let mut budget = Budget::offline(&options, Clock::System);
    let outcome = match RequestView::parse(bytes) {
        Ok(view) => {
            decide(
                active,
                &Callers::default(),
                &view,
                &mut Externals::default(),
                &mut budget,
            )
            .outcome
        }
        Err(error) => Err(error.into()),
    };
    let Reply::Response(answer) = respond(&outcome, "id", &Options::default()) else {
        panic!("a gRPC error")
    };
    let answer = envoy_types::pb::envoy::service::auth::v3::CheckResponse::decode(answer);
    let allowed = answer.unwrap().status.unwrap().code == 0;
    assert_eq!(allowed, matches!(outcome, Ok(Decision::Allow(_))));
    outcome
}

#[test]
fn a_request_cut_short_is_never_allowed() {
    let active = active(READS_ALL);
    let mut allowed = 0;
    for (name, bytes) in captures() {
        allowed += usize::from(matches!(judge(&active, &bytes), Ok(Decision::Allow(_))));
        // Where a field ends, a prefix is a request of its own: without the identity, in field 1,
        // or cut inside it, and so never one that is allowed.
        for end in (0..bytes.len()).step_by(3) {
            let outcome = judge(&active, &bytes[..end]);
            assert!(
                !matches!(outcome, Ok(Decision::Allow(_))),
                "{name}[..{end}]"
            );
        }
    }
    assert!(allowed >= 5, "only {allowed} whole captures are allowed");
}

#[test]
fn a_flipped_bit_never_makes_an_allow_out_of_a_denial() {
    let active = active("package envoy.authz\n\nallow := false if json.marshal(input) != \"\"\n");
    for (name, mut bytes) in captures() {
        for at in (0..bytes.len() * 8).step_by(29) {
            bytes[at / 8] ^= 1 << (at % 8);
            let outcome = judge(&active, &bytes);
            assert!(
                !matches!(outcome, Ok(Decision::Allow(_))),
                "{name} bit {at}"
            );
            bytes[at / 8] ^= 1 << (at % 8);
        }
    }
}

/// One hostile request and the reason it is refused for.
type Case = (&'static str, Vec<u8>, &'static str);

fn bytes_that_are_no_request() -> Vec<Case> {
    let capture = requests::capture(GET).encode_to_vec();
    let mut cases: Vec<Case> = vec![
        ("one byte", vec![0x0a], "request"),
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "request"),
        ("all ones", vec![0xff; 4096], "request"),
        ("a group", vec![0x0b, 0x0c], "request"),
        ("the field number zero", vec![0x02, 0x00], "request"),
        (
            "a varint of eleven bytes",
            [vec![0x08], vec![0xff; 11]].concat(),
            "request",
        ),
        (
            "a path that is not UTF-8",
            raw_http(&field(4, b"/api/\xff\xfe")),
            "request",
        ),
        (
            "a header that is not UTF-8",
            raw_http(&field(3, &field(2, b"\xc3\x28"))),
            "request",
        ),
        (
            "a principal that is not UTF-8",
            field(1, &field(1, &field(4, b"spiffe://\xf0\x28"))),
            "request",
        ),
        (
            "an attribute of the wrong type",
            vec![0x08, 0x01],
            "request",
        ),
    ];
    for end in [1, 17, capture.len() / 2, capture.len().saturating_sub(1)] {
        cases.push(("a prefix", capture[..end].to_vec(), "request"));
    }
    cases
}

fn requests_without_parts() -> Vec<Case> {
    vec![
        ("nothing", Vec::new(), "policy"),
        ("empty attributes", field(1, b""), "policy"),
        ("an empty HTTP request", raw_http(b""), "request"),
        ("no path", requests::path(""), "request"),
        (
            "a path without a slash",
            requests::path("api/v1"),
            "request",
        ),
        ("a bad escape", requests::path("/api/%g0"), "request"),
        ("half an escape", requests::path("/api/%a"), "request"),
        (
            "a bad escape in the query",
            requests::path("/api?x=%zz"),
            "request",
        ),
    ]
}

fn headers_of(count: usize) -> Vec<u8> {
    requests::http(GET, |http| {
        http.headers
            .extend((0..count).map(|n| (format!("x-{n}"), n.to_string())));
    })
}

fn raw_headers_of(count: usize) -> Vec<u8> {
    let header = |n: usize| HeaderValue {
        key: "x-same".to_owned(),
        raw_value: n.to_string().into_bytes(),
        ..HeaderValue::default()
    };
    requests::http(GET, |http| {
        let headers = (0..count).map(header).collect();
        http.header_map = Some(HeaderMap { headers });
    })
}

fn body(content_type: &str, body: String) -> Vec<u8> {
    requests::http(POST, |http| {
        http.headers
            .insert("content-type".to_owned(), content_type.to_owned());
        http.headers
            .insert("content-length".to_owned(), body.len().to_string());
        http.body = body;
    })
}

fn requests_too_large() -> Vec<Case> {
    let open = "[".repeat(10_000);
    let nested = format!("{open}{}", "]".repeat(10_000));
    vec![
        ("a hundred thousand headers", headers_of(100_000), "request"),
        (
            "a hundred thousand raw headers",
            raw_headers_of(100_000),
            "request",
        ),
        (
            "a path of 1 MiB",
            requests::path(&format!("/api/{}", "a".repeat(1 << 20))),
            "request",
        ),
        (
            "a path of 1 MiB of slashes",
            requests::path(&format!("/api{}", "/".repeat(1 << 20))),
            "request",
        ),
        (
            "10,000 levels of JSON",
            body("application/json", nested),
            "request",
        ),
        (
            "10,000 levels of JSON, cut off",
            body("application/json", open),
            "request",
        ),
        (
            "a number of 10,000 digits",
            body("application/json", "9".repeat(10_000)),
            "request",
        ),
        ("deep metadata", metadata(nested_struct(200)), "request"),
        (
            "metadata nested 10,000 times",
            deep_metadata(10_000),
            "request",
        ),
        ("more bytes than the limit", vec![0x0a; 5 << 20], "request"),
    ]
}

fn metadata(content: Struct) -> Vec<u8> {
    let mut request = requests::capture(GET);
    let filter_metadata = [("hostile".to_owned(), content)].into();
    request.attributes.as_mut().unwrap().metadata_context = Some(Metadata {
        filter_metadata,
        ..Metadata::default()
    });
    request.encode_to_vec()
}

fn nested_struct(depth: usize) -> Struct {
    let mut value = Value {
        kind: Some(Kind::NullValue(0)),
    };
    for _ in 0..depth {
        let values = vec![value];
        value = Value {
            kind: Some(Kind::ListValue(ListValue { values })),
        };
    }
    Struct {
        fields: [("deep".to_owned(), value)].into(),
    }
}

/// Deeper than an encoder could go: written from the inside out.
fn deep_metadata(depth: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..depth {
        value = field(6, &field(1, &value));
    }
    let entry = [field(1, b"deep"), field(2, &value)].concat();
    let content = field(1, &entry);
    let namespace = [field(1, b"hostile"), field(2, &content)].concat();
    let mut bytes = requests::capture(GET).encode_to_vec();
    bytes.extend(field(1, &field(11, &field(1, &namespace))));
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_denied_with_their_reason() {
    let server = Server::start(READS_ALL, &["portcullis.budget=30s"]).await;
    let cases = [
        bytes_that_are_no_request(),
        requests_without_parts(),
        requests_too_large(),
    ];
    for (name, bytes, reason) in cases.concat() {
        let answer = server.check(&bytes).await;
        assert_eq!(code(&answer), 7, "{name}");
        let line = log::of_check(&decision_id(&answer));
        assert_eq!(line["reason"], reason, "{name}: {line}");
        assert_eq!(line["outcome"], "denied", "{name}: {line}");
        assert!(line.to_string().len() < 8 * 1024, "{name}: {line}");
    }
    assert_eq!(server.metric("portcullis_panics_total").await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_inside_the_bounds_are_allowed() {
    let server = Server::start(READS_ALL, &["portcullis.budget=30s"]).await;
    let long = format!("/api/{}", "a".repeat(60 * 1024));
    let levels = format!("{}{}", "[".repeat(20), "]".repeat(20));
    for (name, bytes) in [
        ("as captured", requests::capture(GET).encode_to_vec()),
        ("a thousand headers", headers_of(1_000)),
        ("a thousand raw headers", raw_headers_of(1_000)),
        ("a long path", requests::path(&long)),
        ("twenty levels of JSON", body("application/json", levels)),
        ("metadata of eight levels", metadata(nested_struct(8))),
        (
            "an unknown field",
            [requests::capture(GET).encode_to_vec(), field(99, b"?")].concat(),
        ),
    ] {
        let answer = server.check(&bytes).await;
        let line = log::of_check(&decision_id(&answer));
        assert_eq!(code(&answer), 0, "{name}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_duplicate_fields_the_last_decides_as_every_reader_takes_it() {
    let server = Server::start(READS_ALL, &[]).await;
    let capture = requests::capture(GET).encode_to_vec();
    for (last, expected) in [("/admin", 7), ("/api", 0)] {
        let bytes = [capture.clone(), raw_http(&field(4, last.as_bytes()))].concat();
        assert_eq!(code(&server.check(&bytes).await), expected, "{last}");
    }
    let source = |principal: &str| field(1, &field(1, &field(4, principal.as_bytes())));
    for (last, expected) in [
        ("spiffe://cluster.local/ns/bar/sa/x", 7),
        ("", 7),
        ("spiffe://cluster.local/ns/foo/sa/x", 0),
    ] {
        let bytes = [capture.clone(), source(last)].concat();
        assert_eq!(code(&server.check(&bytes).await), expected, "`{last}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_broken_captures_is_answered_over_the_wire() {
    let server = Server::start(READS_ALL, &[]).await;
    let mut answered = 0;
    for (name, bytes) in captures() {
        for end in (0..bytes.len()).step_by(bytes.len() / 4) {
            let answer = server.check(&bytes[..end]).await;
            assert_ne!(code(&answer), 0, "{name}[..{end}]");
            answered += 1;
        }
    }
    assert!(answered > 100);
    assert_eq!(server.metric("portcullis_panics_total").await, Some(0.0));
}
