//! Where redirects are followed to, and what goes with them.

use portcullis::{
    redact::Secret,
    services::{Client, Credentials, Post, Service, Token},
};
use reqwest::header::{HeaderMap, HeaderValue};

use crate::{
    THING, ask,
    bundles::{Answer, BundleServer},
    certificates::Authority,
    client, failure, service,
};

const ELSEWHERE: &str = "/elsewhere";

/// With everything that nobody else may see.
fn secretive(server: &BundleServer) -> Client {
    let mut service = Service {
        credentials: Credentials::Bearer {
            token: Token::Given(Secret::new("hidden".to_owned())),
            scheme: "Bearer".to_owned(),
        },
        ..service(server)
    };
    let key = Secret::new("hidden".to_owned());
    service.headers.insert("private-token".to_owned(), key);
    client(service)
}

#[tokio::test]
async fn a_redirect_is_followed_with_credentials_only_to_the_same_origin() {
    let (server, other) = (BundleServer::start().await, BundleServer::start().await);
    server.set(ELSEWHERE, Answer::ok("same"));
    other.set(ELSEWHERE, Answer::ok("other"));
    let foreign = format!("{}{ELSEWHERE}", other.origin());
    let client = secretive(&server);
    for status in [301, 302, 303, 307, 308] {
        server.set(THING, Answer::redirect(status, ELSEWHERE));
        assert_eq!(ask(&client).await.unwrap().body, "same", "{status}");
        server.set(THING, Answer::redirect(status, &foreign));
        assert_eq!(ask(&client).await.unwrap().body, "other", "{status}");
    }
    for seen in server.seen(ELSEWHERE) {
        assert_eq!(seen.header("authorization"), Some("Bearer hidden"));
        assert_eq!(seen.header("private-token"), Some("hidden"));
    }
    for seen in other.seen(ELSEWHERE) {
        assert!(!format!("{:?}", seen.headers).contains("hidden"));
        assert_eq!(seen.header("authorization"), None);
    }
    assert_eq!(other.seen(ELSEWHERE).len(), 5);
}

#[tokio::test]
async fn who_was_elsewhere_comes_back_as_a_stranger() {
    const BACK: &str = "/back";
    let (server, other) = (BundleServer::start().await, BundleServer::start().await);
    let (there, back) = (other.origin(), server.origin());
    server.set(THING, Answer::redirect(302, &format!("{there}{ELSEWHERE}")));
    other.set(ELSEWHERE, Answer::redirect(302, &format!("{back}{BACK}")));
    server.set(BACK, Answer::redirect(302, ELSEWHERE));
    server.set(ELSEWHERE, Answer::ok("it"));
    assert_eq!(ask(&secretive(&server)).await.unwrap().body, "it");
    let proof = |path| server.seen(path)[0].header("authorization").is_some();
    assert_eq!([THING, BACK, ELSEWHERE].map(proof), [true, false, false]);
}

#[tokio::test]
async fn ten_redirects_are_followed_and_no_more() {
    let server = BundleServer::start().await;
    let step = |at: usize| format!("{ELSEWHERE}/{at}");
    server.set(THING, Answer::redirect(302, &step(1)));
    for at in 1..10 {
        server.set(&step(at), Answer::redirect(302, &step(at + 1)));
    }
    server.set(&step(10), Answer::ok("it"));
    let client = client(service(&server));
    assert_eq!(ask(&client).await.unwrap().body, "it");
    server.set(&step(10), Answer::redirect(302, &step(11)));
    let error = failure(ask(&client).await);
    assert!(error.contains("one too many"), "{error}");
    assert!(server.seen(&step(11)).is_empty());
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_an_error() {
    let server = BundleServer::start().await;
    let client = client(service(&server));
    for (answer, rule) in [
        (Answer::status(302), "names no address"),
        (
            Answer::redirect(302, "file:///etc/passwd"),
            "leads away from HTTP",
        ),
    ] {
        server.set(THING, answer);
        let error = failure(ask(&client).await);
        assert!(error.contains(rule), "{error}");
    }
}

#[tokio::test]
async fn nothing_leads_away_from_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, plain) = (Authority::new("ours"), BundleServer::start().await);
    plain.set(ELSEWHERE, Answer::ok("it"));
    let leaf = authority.server();
    let server = BundleServer::start_tls(leaf.certificate, leaf.key, None).await;
    let mut service = service(&server);
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    service.tls.ca_cert = Some(ca);
    let client = client(service);
    let there = format!("{}{ELSEWHERE}", plain.origin());
    server.set(THING, Answer::redirect(302, &there));
    let error = failure(ask(&client).await);
    assert!(error.contains("leads away from TLS"), "{error}");
    assert!(plain.seen(ELSEWHERE).is_empty());
}

#[tokio::test]
async fn what_is_posted_goes_nowhere_else() {
    let server = BundleServer::start().await;
    server.set(THING, Answer::redirect(307, ELSEWHERE));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let post = Post {
        resource: "thing",
        headers,
        body: "{}".into(),
    };
    let answer = client(service(&server)).post(post).await.unwrap();
    assert_eq!(answer.status.as_u16(), 307);
    assert!(server.seen(ELSEWHERE).is_empty());
}
