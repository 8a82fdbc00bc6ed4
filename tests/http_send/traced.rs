//! Whoever is asked on behalf of a check that is sampled is told of its trace.

use std::time::{Duration, Instant};

use portcullis::{input::Value, telemetry::Trace};
use serde_json::json;

use crate::{
    Sender,
    backend::{Backend, text},
};

fn trace(sampled: bool) -> Trace {
    Trace {
        trace_id: [0xab; 16],
        span_id: [0x12; 8],
        parent: Some([3; 8]),
        sampled,
    }
}

const OURS: &str = "00-abababababababababababababababab-1212121212121212-01";
const POLICYS: &str = "00-11111111111111111111111111111111-2222222222222222-00";

#[tokio::test]
async fn the_span_of_a_sampled_check_is_the_parent_unless_the_policy_names_one() {
    for (trace, given, want) in [
        (Some(trace(true)), None, Some(OURS)),
        (Some(trace(false)), None, None),
        (None, None, None),
        (Some(trace(true)), Some(POLICYS), Some(POLICYS)),
    ] {
        let backend = Backend::start(text("yes")).await;
        let sender = Sender::to(&[&backend.origin()]);
        let mut request = json!({"method": "GET", "url": backend.origin()});
        if let Some(given) = given {
            request["headers"] = json!({"traceparent": given});
        }
        let (request, deadline) = (Value::from(request), Instant::now() + PATIENCE);
        let answer = sender.client.send_in(trace.as_ref(), &request, deadline);
        answer.await.unwrap();
        assert_eq!(backend.seen()[0].header("traceparent"), want);
    }
}

#[tokio::test]
async fn requests_that_differ_in_their_trace_alone_share_a_response() {
    let answer = text("yes").with("cache-control", "max-age=60");
    let backend = Backend::start(answer).await;
    let sender = Sender::to(&[&backend.origin()]);
    let request = json!({"method": "GET", "url": backend.origin(), "cache": true});
    for trace in [Some(trace(true)), None, Some(trace(false))] {
        let (request, deadline) = (Value::from(request.clone()), Instant::now() + PATIENCE);
        let answer = sender.client.send_in(trace.as_ref(), &request, deadline);
        answer.await.unwrap();
    }
    assert_eq!(backend.seen().len(), 1);
}

const PATIENCE: Duration = Duration::from_secs(20);
