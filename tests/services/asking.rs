//! What is sent, and what is made of the answer.

use bytes::Bytes;
use portcullis::{
    redact::Secret,
    services::{Credentials, Get, Post, Token},
};
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};

use crate::{
    LONG, THING, ask,
    bundles::{Answer, BundleServer, archive},
    client, failure, service,
};

#[tokio::test]
async fn a_request_says_who_asks_and_what_for() {
    let server = BundleServer::start().await;
    server.set("/v1/bundles/a", Answer::ok("it"));
    let mut service = service(&server);
    for (name, value) in [("x-team", "blue"), ("x-both", "service")] {
        service
            .headers
            .insert(name.to_owned(), Secret::new(value.to_owned()));
    }
    let client = client(service);
    let mut headers = HeaderMap::new();
    headers.insert("x-both", HeaderValue::from_static("request"));
    let answer = client
        .get(Get {
            resource: "/bundles/a?version=2",
            headers,
            wait: LONG,
            most: 2,
        })
        .await
        .unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"it"[..]));
    let seen = &server.seen("/v1/bundles/a")[0];
    assert_eq!(seen.method, "GET");
    assert_eq!(seen.query.as_deref(), Some("version=2"));
    let agent = format!("portcullis/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.header("user-agent"), Some(agent.as_str()));
    assert_eq!(seen.header("x-team"), Some("blue"));
    assert_eq!(seen.header("x-both"), Some("request"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("accept-encoding"), None);
}

#[tokio::test]
async fn a_report_arrives_as_it_was_made() {
    let server = BundleServer::start().await;
    server.set("/v1/status", Answer::ok("{}"));
    let body = Bytes::from(archive(&[("a", b"b")]));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let post = Post {
        resource: "status",
        headers,
        body: body.clone(),
    };
    let client = client(service(&server));
    let answer = client.post(post.clone()).await.unwrap();
    assert_eq!(answer.body, "{}");
    let seen = &server.seen("/v1/status")[0];
    assert_eq!((seen.method.as_str(), &seen.body), ("POST", &body.to_vec()));
    assert_eq!(seen.header("content-encoding"), Some("gzip"));

    server.set("/v1/status", Answer::status(503).with("retry-after", "7"));
    let answer = client.post(post).await.unwrap();
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.headers["retry-after"], "7");
}

#[tokio::test]
async fn a_status_of_failure_is_an_answer_without_a_body() {
    let server = BundleServer::start().await;
    let client = client(service(&server));
    for status in [304, 400, 401, 404, 429, 500, 503] {
        server.set(THING, Answer::Reply(status, Vec::new(), b"why".to_vec()));
        let answer = ask(&client).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
    }
    server.set(THING, Answer::Reply(203, Vec::new(), b"it".to_vec()));
    assert_eq!(ask(&client).await.unwrap().body, "it");
}

#[tokio::test]
async fn no_encoding_is_undone() {
    let server = BundleServer::start().await;
    let client = client(service(&server));
    let bytes = archive(&[("a", b"b")]);
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        server.set(
            THING,
            Answer::ok(bytes.clone()).with("content-encoding", encoding),
        );
        let answer = ask(&client).await.unwrap();
        assert_eq!(answer.body, bytes, "{encoding}");
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named_and_not_shown() {
    let server = BundleServer::start().await;
    server.set(THING, Answer::ok("it"));
    for (name, value, good) in [
        ("x-key", "hidden", true),
        ("x-key", "hid\nden", false),
        ("x-key", "hidd\u{e9}n", false),
        ("x key", "hidden", false),
    ] {
        let mut service = service(&server);
        service
            .headers
            .insert(name.to_owned(), Secret::new(value.to_owned()));
        let answer = ask(&client(service)).await;
        if good {
            assert_eq!(answer.unwrap().body, "it");
        } else {
            let error = failure(answer);
            assert!(error.contains(name) && !error.contains("hid"), "{error}");
        }
    }
    assert_eq!(server.seen(THING).len(), 1);
}

#[tokio::test]
async fn no_secret_is_shown() {
    let server = BundleServer::start().await;
    server.set(THING, Answer::HangUp);
    let mut service = service(&server);
    let origin = server.origin().replace("://", "://user:hidden@");
    service.url = format!("{origin}/v1?key=hidden").parse().unwrap();
    service
        .headers
        .insert("x-key".to_owned(), Secret::new("hidden".to_owned()));
    service.credentials = Credentials::Bearer {
        token: Token::Given(Secret::new("hidden".to_owned())),
        scheme: "Bearer".to_owned(),
    };
    let shown = format!("{service:?}");
    let client = client(service);
    let answer = ask(&client).await;
    assert_eq!(server.seen(THING)[0].query.as_deref(), Some("key=hidden"));
    for text in [
        shown,
        format!("{client:?}"),
        client.place("thing?key=hidden"),
        format!("{answer:?}"),
        failure(answer),
    ] {
        assert!(!text.contains("hidden"), "{text}");
        assert!(text.contains("localhost"), "{text}");
    }
}
