//! A trace that goes through Envoy: what it tells the gate, and where the gate's spans are in it.

use portcullis::{digest::hex, traces::otlp::Protocol};
use serde_json::json;

use crate::{
    Mesh,
    client::{Caller, send},
    collector::{Collector, Does},
    soon,
};

const POLICY: &str = "package envoy.authz\n\ndefault allow := true\n";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

#[tokio::test]
async fn the_gates_span_stands_below_that_of_envoys_call_in_the_clients_trace() {
    let collector = Collector::start(Protocol::Grpc, Does::Takes).await;
    let address = format!("localhost:{}", collector.address.port());
    let mesh = Mesh::configured(POLICY, |_| {
        json!({"distributed_tracing": {
            "type": "grpc",
            "address": address,
            "batch_span_processor_options": {"batch_timeout_ms": 1},
        }})
    })
    .await;
    let url = mesh.url(&Caller::Plaintext, "traced", "/a");
    let get = |flags: &str| {
        let parent = format!("00-{TRACE}-{SPAN}-{flags}");
        let request = mesh.client(&Caller::Plaintext).get(&url);
        send(request.header("traceparent", parent))
    };
    assert_eq!(get("00").await.status(), 200);
    assert_eq!(get("01").await.status(), 200);
    let spans = soon(collector.holds(6)).await;
    // The first was not sampled.
    assert_eq!(spans.len(), 6);
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
    // Envoy's own span is between the client's and the gate's.
    let parent = hex(&spans[0].parent_span_id);
    assert!(parent.len() == 16 && parent != SPAN, "{parent}");
}
