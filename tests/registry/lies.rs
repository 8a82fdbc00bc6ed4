//! Registries that lie, break off, stall and flood: each is noticed, none is believed.

use std::time::Duration;

use portcullis::{
    services::{Credentials, Service},
    sources::bundles::download::DownloadError,
};

use crate::{
    archive, ask, bearer, chain, from_registry,
    server::{At, Fault, Guard, Registry, basic},
    service,
};

fn plain(registry: &Registry) -> Service {
    service(&registry.origin(), Credentials::None)
}

/// What comes of a registry that is at fault.
async fn refusal(at: At, fault: Fault) -> String {
    let registry = Registry::start().await;
    registry.put("v1", b"an archive of some bytes");
    registry.fault(at, fault);
    let service = Service {
        response_header_timeout: Duration::from_millis(300),
        ..plain(&registry)
    };
    let mut downloader = from_registry(service, registry.reference("v1"));
    chain(&ask(&mut downloader, None).await.unwrap_err())
}

#[tokio::test]
async fn every_lie_about_a_layer_is_noticed() {
    let cases = [
        (Fault::Wrong, "has the digest"),
        (Fault::Short, "has not the 24 bytes"),
        (Fault::Long, "has not the 24 bytes"),
        (Fault::Flood, "has not the 24 bytes"),
        (Fault::CutOff, "no whole answer"),
        (Fault::Stall, "did not come within"),
        (Fault::StallWithin, "did not come within"),
        (Fault::Status(404), "answered 404"),
        (
            Fault::Redirect("file:///etc/passwd".to_owned()),
            "leads away from HTTP",
        ),
    ];
    for (fault, reason) in cases {
        let shown = format!("{fault:?}");
        let refusal = refusal(At::Blob, fault).await;
        assert!(refusal.contains(reason), "{shown}: {refusal}");
    }
}

#[tokio::test]
async fn every_lie_about_a_manifest_is_noticed() {
    let other = crate::server::digest(b"other");
    let cases = [
        (Fault::Wrong, "has the digest"),
        (Fault::Short, "has the digest"),
        (
            Fault::Header("docker-content-digest", other),
            "has the digest",
        ),
        (Fault::Flood, "is longer than 4194304 bytes"),
        (Fault::Stall, "did not come within"),
        (Fault::StallWithin, "did not come within"),
        (Fault::Redirect("/elsewhere".to_owned()), "answered 307"),
        (Fault::Text("<html>".to_owned()), "not a readable manifest"),
    ];
    for (fault, reason) in cases {
        let shown = format!("{fault:?}");
        let refusal = refusal(At::Manifest, fault).await;
        assert!(refusal.contains(reason), "{shown}: {refusal}");
    }
}

#[tokio::test]
async fn a_reference_by_digest_believes_nothing_but_the_digest() {
    let registry = Registry::start().await;
    let wanted = registry.put("v1", b"archive");
    registry.fault(At::Manifest, Fault::Text("{}".to_owned()));
    let mut downloader = from_registry(plain(&registry), registry.pinned(&wanted));
    let error = ask(&mut downloader, None).await.unwrap_err();
    assert!(matches!(error, DownloadError::Unfit { .. }));
    let reason = chain(&error);
    assert!(
        reason.contains(&format!("where `{wanted}` is wanted")),
        "{reason}"
    );
}

#[tokio::test]
async fn a_blob_elsewhere_is_fetched_there_without_our_credentials() {
    let (registry, storage) = (Registry::start().await, Registry::start().await);
    registry.put("v1", b"archive");
    storage.put("any", b"archive");
    let digest = crate::server::digest(b"archive");
    let path = format!("/v2/org/policies/blobs/{digest}");
    registry.guard(Guard::Header(basic("gate", "secret")));
    registry.fault(
        At::Blob,
        Fault::Redirect(format!("{}{path}", storage.origin())),
    );
    let mut service = service(&registry.origin(), bearer("Basic", "gate:secret"));
    let header = ("x-api-key".to_owned(), "secret".to_owned().into());
    service.headers.insert(header.0, header.1);
    let mut downloader = from_registry(service, registry.reference("v1"));
    assert_eq!(archive(&mut downloader, None).await.bytes, "archive");
    let told = |seen: &crate::server::Seen| {
        (
            seen.header("authorization").is_some(),
            seen.header("x-api-key").is_some(),
        )
    };
    assert!(
        registry
            .seen()
            .iter()
            .all(|seen| told(seen) == (true, true))
    );
    let there = storage.seen();
    assert_eq!(there.iter().map(told).collect::<Vec<_>>(), [(false, false)]);
    // Who asks there for credentials gets none.
    storage.guard(Guard::Token {
        header: None,
        realm: None,
    });
    let error = ask(&mut downloader, None).await.unwrap_err();
    assert_eq!(error.http_status(), Some(401));
    assert_eq!(storage.seen().len(), 1);
}

#[tokio::test]
async fn a_blob_that_is_always_elsewhere_is_given_up() {
    let registry = Registry::start().await;
    registry.put("v1", b"archive");
    let digest = crate::server::digest(b"archive");
    registry.fault(
        At::Blob,
        Fault::Redirect(format!("/v2/org/policies/blobs/{digest}")),
    );
    let mut downloader = from_registry(plain(&registry), registry.reference("v1"));
    let error = ask(&mut downloader, None).await.unwrap_err();
    assert!(chain(&error).contains("redirects once too often"));
    assert_eq!(registry.seen().len(), 1 + 4);
}
