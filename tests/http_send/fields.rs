//! Each field of a request and of a response.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    Sender,
    backend::{Answer, Backend, PHRASE, text},
    get, get_with,
};

async fn echoed(more: Value) -> Value {
    let backend = Backend::start(Answer::Echo).await;
    let sender = Sender::to(&[&backend.origin()]);
    let url = backend.url("/a/b?c=d");
    sender.send(get_with(&url, more)).await.unwrap()["body"].clone()
}

#[tokio::test]
async fn a_request_is_sent_as_it_is_written() {
    let seen = echoed(json!({
        "method": "put",
        "body": {"a": [1, "<"]},
        "headers": {"Authorization": "Bearer s3cret", "X-Two": "a, b", "content-length": "7"},
    }))
    .await;
    assert_eq!(seen["method"], "PUT");
    assert_eq!(seen["target"], "/a/b?c=d");
    assert_eq!(seen["body"], r#"{"a":[1,"<"]}"#);
    assert_eq!(seen["headers"]["authorization"], "Bearer s3cret");
    assert_eq!(seen["headers"]["x-two"], "a, b");
    assert_eq!(seen["headers"]["content-length"], "13");
    assert!(
        seen["headers"]["user-agent"]
            .as_str()
            .unwrap()
            .starts_with("portcullis/")
    );
    assert_eq!(seen["headers"].get("accept-encoding"), None);
}

#[tokio::test]
async fn a_raw_body_comes_before_a_body() {
    let seen = echoed(json!({"method": "POST", "body": 1, "raw_body": "a=b"})).await;
    assert_eq!(seen["body"], "a=b");
    let seen = echoed(json!({"headers": {"user-agent": "mine"}})).await;
    assert_eq!(
        (&seen["body"], &seen["headers"]["user-agent"]),
        (&json!(""), &json!("mine"))
    );
}

#[tokio::test]
async fn a_response_has_status_headers_and_both_bodies() {
    let answer = Answer::Reply(201, Vec::new(), br#"{"a":1}"#.to_vec())
        .with("content-type", "application/json; charset=utf-8")
        .with("X-Two", "1")
        .with("x-two", "2")
        .with("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let backend = Backend::start(answer).await;
    let sender = Sender::to(&[&backend.origin()]);
    let response = sender.send(get(&backend.url("/"))).await.unwrap();
    let want = json!({
        "status": "201 Created",
        "status_code": 201,
        "body": {"a": 1},
        "raw_body": r#"{"a":1}"#,
        "headers": {
            "content-length": ["7"],
            "content-type": ["application/json; charset=utf-8"],
            "date": ["Sun, 06 Nov 1994 08:49:37 GMT"],
            "x-two": ["1", "2"],
        },
    });
    assert_eq!(response, want);
    assert_eq!(sender.count("fetched"), 1);
}

#[tokio::test]
async fn a_status_keeps_the_phrase_that_it_came_with() {
    let backend = Backend::start(text("").with(PHRASE, "Quite Fine")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let response = sender.send(get(&backend.url("/"))).await.unwrap();
    assert_eq!(response["status"], "200 Quite Fine");
    backend.set(text("").status(299));
    let response = sender.send(get(&backend.url("/"))).await.unwrap();
    assert_eq!(response["status_code"], 299);
}

#[tokio::test]
async fn a_body_is_decoded_by_its_type_or_by_force_and_else_null() {
    let cases = [
        (r#"{"a":1}"#, "application/json", json!({}), json!({"a": 1})),
        (
            r#"{"a":1}"#,
            "Application/Problem+JSON",
            json!({}),
            json!({"a": 1}),
        ),
        (r#"{"a":1}"#, "text/plain", json!({}), json!(null)),
        (
            r#"{"a":1}"#,
            "text/plain",
            json!({"force_json_decode": true}),
            json!({"a": 1}),
        ),
        ("{", "application/json", json!({}), json!(null)),
        ("a: [1]", "application/yaml", json!({}), json!({"a": [1]})),
        ("a: [1]", "application/x-yaml", json!({}), json!({"a": [1]})),
        (
            "a: [1]",
            "text/plain",
            json!({"force_yaml_decode": true}),
            json!({"a": [1]}),
        ),
        ("a: [1]", "text/plain", json!({}), json!(null)),
        ("", "application/json", json!({}), json!(null)),
    ];
    let backend = Backend::start(text("")).await;
    let sender = Sender::to(&[&backend.origin()]);
    for (body, kind, more, want) in cases {
        backend.set(text(body).with("content-type", kind));
        let response = sender
            .send(get_with(&backend.url("/"), more))
            .await
            .unwrap();
        assert_eq!(response["body"], want, "{kind}: {body}");
        assert_eq!(response["raw_body"], body);
    }
}

#[tokio::test]
async fn a_body_that_is_no_text_is_made_one() {
    let backend = Backend::start(Answer::Reply(200, Vec::new(), vec![b'a', 0xff])).await;
    let sender = Sender::to(&[&backend.origin()]);
    assert_eq!(sender.body(get(&backend.url("/"))).await, "a\u{fffd}");
}

#[tokio::test]
async fn a_redirect_is_a_response_or_an_error_and_never_followed() {
    let backend = Backend::start(text("").status(302).with("location", "/elsewhere")).await;
    let sender = Sender::to(&[&backend.origin()]);
    let url = backend.url("/");
    let response = sender.send(get(&url)).await.unwrap();
    assert_eq!(response["status_code"], 302);
    assert_eq!(response["headers"]["location"], json!(["/elsewhere"]));
    let error = sender
        .send(get_with(&url, json!({"enable_redirect": true})))
        .await;
    assert!(error.unwrap_err().contains("redirects are not followed"));
    assert!(backend.seen().iter().all(|seen| seen.target == "/"));
    // Who does not redirect may be asked so.
    backend.set(text("here"));
    let request = get_with(&url, json!({"enable_redirect": true}));
    assert_eq!(sender.body(request).await, "here");
}

#[tokio::test]
async fn a_failure_is_an_error_or_with_raise_error_off_a_response() {
    // A port that nobody has ever connected to refuses, as soon as its listener is gone.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", free.local_addr().unwrap());
    let url = format!("{origin}/?token=s3cret");
    drop(free);
    let sender = Sender::to(&[&origin]);
    let error = sender.send(get(&url)).await.unwrap_err();
    assert!(error.starts_with(&format!("GET {origin}: ")), "{error}");
    assert!(!error.contains("s3cret"));
    let response = sender
        .send(get_with(&url, json!({"raise_error": false})))
        .await
        .unwrap();
    assert_eq!(response["status_code"], 0);
    assert_eq!(response["error"]["code"], "eval_http_send_network_error");
    assert_eq!(response["error"]["message"], error);
    assert_eq!(response.as_object().unwrap().len(), 2);
    let other = get_with("http://elsewhere/", json!({"raise_error": false}));
    let response = sender.send(other).await.unwrap();
    assert_eq!(response["error"]["code"], "eval_http_send_internal_error");
    assert_eq!(sender.count("failed"), 2);
}

#[tokio::test]
async fn a_request_is_tried_again_as_often_as_it_wants() {
    let backend = Backend::start(Answer::HangUp).await;
    let sender = Sender::to(&[&backend.origin()]);
    let url = backend.url("/");
    assert!(sender.send(get(&url)).await.is_err());
    assert_eq!(backend.count(), 1);
    let again = get_with(&url, json!({"max_retry_attempts": 2}));
    assert!(sender.send(again).await.is_err());
    assert_eq!(backend.count(), 4);
    // A response is one, whatever it says.
    backend.set(text("").status(500));
    let again = get_with(&url, json!({"max_retry_attempts": 2}));
    assert_eq!(sender.send(again).await.unwrap()["status_code"], 500);
    assert_eq!(backend.count(), 5);
}

#[tokio::test]
async fn a_time_out_is_the_requests_own() {
    let backend = Backend::start(Answer::Stall).await;
    let sender = Sender::to(&[&backend.origin()]);
    for timeout in [json!("20ms"), json!(20_000_000), json!("20000000")] {
        let request = get_with(&backend.url("/"), json!({"timeout": timeout}));
        let error = sender.send_within(request, Duration::from_mins(10)).await;
        assert!(error.unwrap_err().ends_with("request timed out"));
    }
    assert_eq!(sender.count("timed_out"), 3);
}
