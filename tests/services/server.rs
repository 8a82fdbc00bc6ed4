//! The server of these tests itself does what it promises.

use std::{io::Read as _, time::Duration};

use flate2::read::GzDecoder;

use crate::bundles::{Answer, BundleServer, LONG_POLL, Version, archive};

async fn get(
    server: &BundleServer,
    headers: &[(&str, &str)],
) -> reqwest::Result<reqwest::Response> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.get(format!("{}/b", server.origin()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await
}

#[tokio::test]
async fn versions_are_served_once_to_each_who_asks() {
    let server = BundleServer::start().await;
    assert_eq!(get(&server, &[]).await.unwrap().status(), 404);
    server.set("/b", Version::new("1", b"one".to_vec()));
    let first = get(&server, &[]).await.unwrap();
    assert_eq!(first.headers()["etag"], "\"1\"");
    assert_eq!(first.bytes().await.unwrap(), "one");
    let known = [("if-none-match", "\"1\"")];
    assert_eq!(get(&server, &known).await.unwrap().status(), 304);
    server.set(
        "/b",
        Version::new("2", b"two".to_vec()).delta("1", b"+1".to_vec()),
    );
    let snapshot = get(&server, &known).await.unwrap();
    assert_eq!(snapshot.bytes().await.unwrap(), "two");
    let delta = [known[0], ("prefer", "modes=snapshot,delta")];
    let delta = get(&server, &delta).await.unwrap();
    assert_eq!(delta.headers()["etag"], "\"2\"");
    assert_eq!(delta.bytes().await.unwrap(), "+1");
    let seen = server.requests("/b", 5).await;
    assert_eq!(seen[4].header("prefer"), Some("modes=snapshot,delta"));
    assert!(server.seen("/other").is_empty());
}

#[tokio::test]
async fn a_request_is_held_until_there_is_another_version() {
    let server = BundleServer::start().await;
    server.set("/b", Version::new("1", b"one".to_vec()).held());
    let known = [
        ("if-none-match", "\"1\""),
        ("prefer", "modes=snapshot,delta;wait=60"),
    ];
    let next = async {
        server.requests("/b", 1).await;
        server.set("/b", Version::new("2", b"two".to_vec()).held());
    };
    let (response, ()) = tokio::join!(get(&server, &known), next);
    let response = response.unwrap();
    assert_eq!(response.headers()["content-type"], LONG_POLL);
    assert_eq!(response.bytes().await.unwrap(), "two");
    let known = [("if-none-match", "\"2\""), ("prefer", "wait=0")];
    assert_eq!(get(&server, &known).await.unwrap().status(), 304);
}

#[tokio::test]
async fn answers_break_off_or_never_come() {
    let server = BundleServer::start().await;
    server.set("/b", Answer::Truncated(b"abc".to_vec()));
    let response = get(&server, &[]).await.unwrap();
    assert_eq!(response.content_length(), Some(4));
    assert!(response.bytes().await.is_err());
    server.set("/b", Answer::HangUp);
    assert!(get(&server, &[]).await.is_err());
    server.set(
        "/b",
        Answer::Drip(b"abc".to_vec(), Duration::from_millis(1)),
    );
    let response = get(&server, &[]).await.unwrap();
    assert_eq!(response.bytes().await.unwrap(), "abc");
}

#[tokio::test]
async fn the_server_goes_away_and_comes_back() {
    let server = BundleServer::start().await;
    server.set("/b", Answer::status(500));
    assert_eq!(get(&server, &[]).await.unwrap().status(), 500);
    server.go_away().await;
    assert!(get(&server, &[]).await.unwrap_err().is_connect());
    server.come_back().await;
    assert_eq!(get(&server, &[]).await.unwrap().status(), 500);
}

#[test]
fn an_archive_holds_its_files() {
    let bytes = archive(&[("a.rego", b"package a"), ("b/data.json", b"{}")]);
    let mut read = Vec::new();
    let mut tar = tar::Archive::new(GzDecoder::new(bytes.as_slice()));
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        read.push((entry.path().unwrap().display().to_string(), text));
    }
    let pair = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    assert_eq!(
        read,
        [pair("a.rego", "package a"), pair("b/data.json", "{}")]
    );
}
