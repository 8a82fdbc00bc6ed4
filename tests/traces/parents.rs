//! Which checks have spans, and what is in them.

use std::fs;

use opentelemetry_proto::tonic::trace::v1::{Span, Status, span::SpanKind, status::StatusCode};
use portcullis::{digest::hex, traces::otlp::Protocol};
use serde_json::Value;

use crate::{
    collector::{Collector, Does, value},
    gate::{CALLER, Gate, PATIENCE},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

async fn told(ratio: f64, path: &str, metadata: &[(&'static str, &str)]) -> Vec<Span> {
    let collector = Collector::start(Protocol::Grpc, Does::Takes).await;
    let gate = Gate::new(collector.options(), ratio);
    gate.check(path, metadata).await;
    let [exported, full, failed] = gate.finish(PATIENCE).await;
    let spans = collector.spans();
    assert_eq!([exported, full, failed], [spans.len(), 0, 0]);
    spans
}

fn status(span: &Span) -> StatusCode {
    span.status.as_ref().map_or(StatusCode::Unset, Status::code)
}

#[tokio::test]
async fn a_check_has_a_span_below_its_callers_and_one_below_that_for_each_stage() {
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let spans = told(0.0, "/open?token=hidden", &[("traceparent", &parent)]).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "envoy.service.auth.v3.Authorization/Check",
            "portcullis.request",
            "portcullis.identity",
            "portcullis.input",
            "portcullis.policy",
            "portcullis.response",
        ]
    );
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
    let (check, stages) = spans.split_first().unwrap();
    assert_eq!(hex(&check.parent_span_id), SPAN);
    assert_eq!(check.kind(), SpanKind::Server);
    assert_eq!(status(check), StatusCode::Unset);
    assert!(
        stages
            .iter()
            .all(|stage| stage.parent_span_id == check.span_id)
    );
    assert!(
        stages
            .iter()
            .all(|stage| stage.kind() == SpanKind::Internal)
    );
    let mut at = check.start_time_unix_nano;
    for stage in stages {
        assert_eq!(stage.start_time_unix_nano, at);
        assert!(stage.end_time_unix_nano >= at);
        at = stage.end_time_unix_nano;
    }
    assert!(at <= check.end_time_unix_nano);
    let of = |key| value(&check.attributes, key);
    for (key, want) in [
        ("rpc.system", "grpc"),
        ("rpc.service", "envoy.service.auth.v3.Authorization"),
        ("rpc.method", "Check"),
        ("rpc.grpc.status_code", "0"),
        ("portcullis.outcome", "allowed"),
        ("portcullis.reason", "policy"),
        ("portcullis.caller", CALLER),
    ] {
        assert_eq!(of(key).as_deref(), Some(want), "{key}");
    }
    assert_eq!(of("portcullis.decision_id").unwrap().len(), 36);
    assert!(of("portcullis.policy.revision").is_some());
    let all = format!("{spans:?}");
    for secret in ["hidden", "/open", "eyJ", "Bearer"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

/// What is the same in every span of this kind stands in the documentation as it is.
#[tokio::test]
async fn the_span_in_the_documentation_is_as_they_are() {
    let docs = fs::read_to_string("docs/traces.md").unwrap();
    let (_, shown) = docs.split_once("```json\n").unwrap();
    let shown: Value = serde_json::from_str(shown.split_once("```").unwrap().0).unwrap();
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let spans = told(0.0, "/open", &[("traceparent", &parent)]).await;
    let (check, stages) = spans.split_first().unwrap();
    assert_eq!(shown["name"], check.name);
    assert_eq!(shown["kind"], check.kind);
    assert_eq!(shown["flags"], check.flags);
    assert_eq!(shown["traceId"], hex(&check.trace_id));
    assert_eq!(shown["parentSpanId"], hex(&check.parent_span_id));
    let attributes = shown["attributes"].as_array().unwrap();
    assert_eq!(attributes.len(), check.attributes.len());
    for (shown, real) in attributes.iter().zip(&check.attributes) {
        assert_eq!(shown["key"], real.key);
        let described = docs.contains(&format!("`{}`", real.key));
        assert!(described, "{}", real.key);
    }
    for stage in stages {
        assert!(
            docs.contains(&format!("`{}`", stage.name)),
            "{}",
            stage.name
        );
    }
}

#[tokio::test]
async fn a_denial_is_no_error_and_a_broken_policy_is_one() {
    for (path, reason, code) in [
        ("/closed", "policy", StatusCode::Unset),
        ("/broken", "malformed_decision", StatusCode::Error),
    ] {
        let spans = told(1.0, path, &[]).await;
        let of = |key| value(&spans[0].attributes, key).unwrap();
        assert_eq!(of("portcullis.outcome"), "denied", "{path}");
        assert_eq!(of("portcullis.reason"), reason, "{path}");
        assert_eq!(status(&spans[0]), code, "{path}");
    }
}

#[tokio::test]
async fn who_is_sampled_is_exported_and_nobody_else() {
    let w3c = |flags| format!("00-{TRACE}-{SPAN}-{flags}");
    let b3 = |state| format!("{TRACE}-{SPAN}{state}");
    for (name, text, ratio, exported) in [
        ("traceparent", w3c("01"), 0.0, true),
        ("traceparent", w3c("00"), 1.0, false),
        ("b3", b3("-1"), 0.0, true),
        ("b3", b3("-d"), 0.0, true),
        ("b3", b3("-0"), 1.0, false),
        ("b3", b3(""), 1.0, true),
        ("b3", b3(""), 0.0, false),
        ("b3", "0".to_owned(), 1.0, false),
        ("x-unrelated", String::new(), 1.0, true),
        ("x-unrelated", String::new(), 0.0, false),
    ] {
        let spans = told(ratio, "/open", &[(name, &text)]).await;
        assert_eq!(!spans.is_empty(), exported, "{name}: {text} {ratio}");
    }
}

#[tokio::test]
async fn b3_in_several_headers_is_a_parent_too() {
    let headers = [
        ("x-b3-traceid", TRACE),
        ("x-b3-spanid", SPAN),
        ("x-b3-sampled", "1"),
    ];
    let spans = told(0.0, "/open", &headers).await;
    assert_eq!(hex(&spans[0].trace_id), TRACE);
    assert_eq!(hex(&spans[0].parent_span_id), SPAN);
}

#[tokio::test]
async fn headers_of_another_form_begin_a_trace_of_their_own() {
    let spans = told(1.0, "/open", &[("traceparent", "00-nonsense"), ("b3", "x")]).await;
    assert!(spans[0].parent_span_id.is_empty());
    assert_eq!(spans[0].trace_id.len(), 16);
    assert_ne!(spans[0].trace_id, [0; 16]);
}
