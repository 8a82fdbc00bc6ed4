//! Objects in the stores of three makers, each at an endpoint of our own.

use std::{sync::Arc, time::Duration};

use portcullis::{
    services::{AwsCredentials, Credentials, S3Signing, Service},
    sources::bundles::{Kind, download::Downloader},
};

use crate::{
    MOST, archive, ask, bearer, chain, downloader, is_unchanged,
    server::{Fault, ObjectServer},
    service,
};

fn keys() -> Credentials {
    Credentials::S3Signing(S3Signing {
        service: "s3".to_owned(),
        from: vec![AwsCredentials::Environment {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned().into(),
            session_token: None,
            region: "eu-west-1".to_owned(),
        }],
    })
}

fn from_store(service: Service, resource: &str) -> Downloader {
    let (service, resource) = (Arc::new(service), resource.to_owned());
    downloader(Kind::Object { service, resource }, MOST)
}

/// A bucket of each maker at `server`, and the path that its object `authz/bundle.tar.gz` has there.
fn buckets(server: &ObjectServer) -> [(Service, &'static str); 3] {
    let origin = server.origin();
    let url = |bucket: &str| format!("{bucket}?endpoint={origin}");
    [
        (
            service(&url("s3://policies/authz"), keys()),
            "/policies/authz/bundle.tar.gz",
        ),
        (
            service(&url("gs://policies/authz/"), bearer("Bearer", "t")),
            "/policies/authz/bundle.tar.gz",
        ),
        (
            service(
                &format!("{}&account=corp", url("az://policies/authz")),
                bearer("Bearer", "t"),
            ),
            "/policies/authz/bundle.tar.gz",
        ),
    ]
}

#[tokio::test]
async fn an_object_that_stays_is_not_sent_again_and_one_that_changes_is() {
    let server = ObjectServer::start().await;
    for (service, path) in buckets(&server) {
        let scheme = service.url.scheme().to_owned();
        server.put(path, b"first archive");
        let mut downloader = from_store(service, "bundle.tar.gz");
        let place = format!("{scheme}://policies/authz/bundle.tar.gz");
        assert_eq!(downloader.place(), place);
        let first = archive(&mut downloader, None).await;
        assert_eq!(first.bytes, "first archive");
        assert!(!first.long_poll);
        let tag = first.validator.unwrap();
        assert!(is_unchanged(&mut downloader, &tag).await);
        server.put(path, b"second archive");
        let second = archive(&mut downloader, Some(&tag)).await;
        assert_eq!(second.bytes, "second archive");
        assert_ne!(second.validator, Some(tag));
        assert_eq!(server.seen().len(), 3, "{scheme}");
    }
}

#[tokio::test]
async fn each_store_is_told_who_asks_in_its_own_way() {
    let server = ObjectServer::start().await;
    let ways = [
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/",
        "Bearer t",
        "Bearer t",
    ];
    for ((service, path), way) in buckets(&server).into_iter().zip(ways) {
        server.put(path, b"archive");
        archive(&mut from_store(service, "/bundle.tar.gz"), None).await;
        let seen = server.seen();
        let shown = seen[0].header("authorization").unwrap();
        assert!(shown.starts_with(way), "{shown}");
        let in_region = shown.contains("/eu-west-1/s3/aws4_request");
        assert_eq!(in_region, way.starts_with("AWS4"), "{shown}");
    }
}

#[tokio::test]
async fn what_a_store_refuses_is_named_with_its_status_and_asked_once() {
    for status in [401, 403, 404] {
        let server = ObjectServer::start().await;
        server.fault(Fault::Status(status));
        for (service, _) in buckets(&server) {
            let mut downloader = from_store(service, "bundle.tar.gz");
            let error = ask(&mut downloader, None).await.unwrap_err();
            assert_eq!(error.http_status(), Some(status), "{}", chain(&error));
            assert_eq!(server.seen().len(), 1);
        }
    }
}

#[tokio::test]
async fn stores_that_break_off_stall_and_flood_give_nothing() {
    let cases = [
        (Fault::Status(500), "500"),
        (Fault::Status(304), "304"),
        (Fault::Redirect("http://localhost/".to_owned()), "307"),
        (Fault::CutOff, "no whole answer"),
        (Fault::Stall, "elapsed"),
        (Fault::StallWithin, "elapsed"),
    ];
    for (fault, reason) in cases {
        let server = ObjectServer::start().await;
        let shown = format!("{fault:?}");
        for (service, path) in buckets(&server) {
            server.put(path, b"archive");
            server.fault(fault.clone());
            let service = Service {
                response_header_timeout: Duration::from_millis(300),
                ..service
            };
            let mut downloader = from_store(service, "bundle.tar.gz");
            let error = chain(&ask(&mut downloader, None).await.unwrap_err());
            assert!(error.contains(reason), "{shown}: {error}");
            assert_eq!(server.seen().len(), 1, "{shown}");
        }
    }
}

#[tokio::test]
async fn a_token_that_no_header_holds_is_an_error_and_no_end() {
    let server = ObjectServer::start().await;
    let url = format!("gs://b?endpoint={}", server.origin());
    let service = service(&url, bearer("Bearer", "a\nb"));
    let mut downloader = from_store(service, "bundle.tar.gz");
    assert!(ask(&mut downloader, None).await.is_err());
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_object_that_is_too_long_is_refused_announced_or_not() {
    let server = ObjectServer::start().await;
    let long = vec![0; usize::try_from(MOST).unwrap() + 1];
    for (service, path) in buckets(&server) {
        server.put(path, &long[1..]);
        let mut downloader = from_store(service, "bundle.tar.gz");
        assert_eq!(archive(&mut downloader, None).await.bytes, long[1..]);
        server.put(path, &long);
        let error = chain(&ask(&mut downloader, None).await.unwrap_err());
        assert!(error.contains("longer than 1048576 bytes"), "{error}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_none_and_credentials_that_do_not_fit_ask_nobody() {
    let server = ObjectServer::start().await;
    let origin = server.origin();
    let cases = [
        (
            format!("s3://b?endpoint={origin}"),
            bearer("Bearer", "t"),
            "credentials.bearer",
        ),
        (
            format!("gs://b?endpoint={origin}"),
            keys(),
            "credentials.s3_signing",
        ),
        (
            format!("az://b?endpoint={origin}&account=a"),
            keys(),
            "credentials.s3_signing",
        ),
        (
            format!("s3://b?endpoint={origin}&allow=1"),
            keys(),
            "`allow` in the service's `url`",
        ),
        (
            "s3://b?endpoint=minio".to_owned(),
            keys(),
            "not an http or https address",
        ),
        ("ftp://b".to_owned(), keys(), "names no bucket"),
        (origin.clone(), keys(), "names no bucket"),
    ];
    for (url, credentials, reason) in cases {
        let mut downloader = from_store(service(&url, credentials), "bundle.tar.gz");
        let error = chain(&ask(&mut downloader, None).await.unwrap_err());
        assert!(error.contains(reason), "{url}: {error}");
    }
    let odd = service(&format!("s3://b?endpoint={origin}"), keys());
    let error = chain(
        &ask(&mut from_store(odd, "../../b"), None)
            .await
            .unwrap_err(),
    );
    assert!(error.contains("no object has that path"), "{error}");
    assert!(server.seen().is_empty());
}
