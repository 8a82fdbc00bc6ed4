//! From a tag or a digest to the archive.

use portcullis::services::{ClientTls, Credentials, Service, Tls};
use tempfile::TempDir;

use crate::{
    archive, ask,
    certificates::Authority,
    chain, from_registry, is_unchanged,
    server::{At, Fault, Registry},
    service,
};

fn plain(registry: &Registry) -> Service {
    service(&registry.origin(), Credentials::None)
}

#[tokio::test]
async fn a_tag_that_stays_is_not_pulled_again_and_one_that_moves_is() {
    let registry = Registry::start().await;
    let first = registry.put("v1", b"first archive");
    let mut downloader = from_registry(plain(&registry), registry.reference("v1"));
    assert_eq!(downloader.place(), registry.reference("v1"));
    let pulled = archive(&mut downloader, None).await;
    assert_eq!(pulled.bytes, "first archive");
    assert_eq!(pulled.validator.as_ref(), Some(&first));
    assert!(!pulled.long_poll);
    registry.seen();
    assert!(is_unchanged(&mut downloader, &first).await);
    let methods: Vec<String> = registry
        .seen()
        .iter()
        .map(|seen| seen.method.to_string())
        .collect();
    assert_eq!(methods, ["HEAD"]);
    let second = registry.put("v1", b"second archive");
    let pulled = archive(&mut downloader, Some(&first)).await;
    assert_eq!(pulled.bytes, "second archive");
    assert_eq!(pulled.validator, Some(second));
}

#[tokio::test]
async fn a_digest_stays_what_it_is() {
    let registry = Registry::start().await;
    let first = registry.put("v1", b"first archive");
    registry.put("v1", b"second archive");
    let mut downloader = from_registry(plain(&registry), registry.pinned(&first));
    let pulled = archive(&mut downloader, None).await;
    assert_eq!(pulled.bytes, "first archive");
    assert!(is_unchanged(&mut downloader, &first).await);
}

#[tokio::test]
async fn a_registry_that_does_not_say_its_digests_is_asked_for_the_manifest() {
    for fault in [
        Fault::Without("docker-content-digest"),
        Fault::Header("docker-content-digest", "none".to_owned()),
    ] {
        let registry = Registry::start().await;
        let first = registry.put("v1", b"archive");
        let silent = matches!(fault, Fault::Without(_));
        registry.fault(At::Manifest, fault);
        let mut downloader = from_registry(plain(&registry), registry.reference("v1"));
        if silent {
            assert!(is_unchanged(&mut downloader, &first).await);
            let seen = registry.seen();
            assert!(seen.iter().all(|seen| !seen.uri.path().contains("/blobs/")));
        } else {
            let error = ask(&mut downloader, Some(&first)).await.unwrap_err();
            assert!(chain(&error).contains("where `none` is wanted"));
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_with_its_status() {
    let registry = Registry::start().await;
    let mut downloader = from_registry(plain(&registry), registry.reference("v1"));
    let error = ask(&mut downloader, None).await.unwrap_err();
    assert_eq!(error.http_status(), Some(404));
    assert!(error.to_string().contains("/v2/org/policies/manifests/v1"));
    registry.put("v1", b"archive");
    registry.fault(At::Blob, Fault::Status(503));
    let error = ask(&mut downloader, None).await.unwrap_err();
    assert_eq!(error.http_status(), Some(503));
}

#[tokio::test]
async fn a_reference_that_says_too_little_asks_nobody() {
    let registry = Registry::start().await;
    for reference in [
        "org/policies:v1",
        &format!("{}/org/policies", registry.host()),
    ] {
        let mut downloader = from_registry(plain(&registry), reference.to_owned());
        let error = ask(&mut downloader, None).await.unwrap_err();
        assert!(chain(&error).contains("is not `host/repository:tag`"));
    }
    assert!(registry.seen().is_empty());
}

#[tokio::test]
async fn the_host_of_the_service_is_asked_whatever_the_reference_says() {
    let registry = Registry::start().await;
    registry.put("v1", b"archive");
    let reference = "ghcr.io/org/policies:v1".to_owned();
    let mut downloader = from_registry(plain(&registry), reference);
    assert_eq!(archive(&mut downloader, None).await.bytes, "archive");
    assert_eq!(downloader.place(), registry.reference("v1"));
}

#[tokio::test]
async fn only_a_registry_that_our_authority_vouches_for_is_believed() {
    let folder = TempDir::new().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let leaf = ours.server();
    let registry = Registry::start_tls(leaf.certificate, leaf.key, None).await;
    registry.put("v1", b"archive");
    for (authority, good) in [(Some(&ours), true), (Some(&theirs), false), (None, false)] {
        let ca_cert = authority.map(|authority| {
            let path = folder.path().join("ca.crt");
            std::fs::write(&path, authority.pem()).unwrap();
            path
        });
        let tls = Tls {
            ca_cert,
            ..Tls::default()
        };
        let service = Service {
            tls,
            ..plain(&registry)
        };
        let mut downloader = from_registry(service, registry.reference("v1"));
        let asked = ask(&mut downloader, None).await;
        assert_eq!(asked.is_ok(), good, "{asked:?}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_registry_that_wants_one() {
    let folder = TempDir::new().unwrap();
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let leaf = servers.server();
    let vouching = Some(clients.der().clone());
    let registry = Registry::start_tls(leaf.certificate, leaf.key, vouching).await;
    registry.put("v1", b"archive");
    let ca_cert = folder.path().join("ca.crt");
    std::fs::write(&ca_cert, servers.pem()).unwrap();
    clients.workload("spiffe://td/gate").write(folder.path());
    let certificate = Credentials::ClientTls(ClientTls {
        cert: folder.path().join("tls.crt"),
        private_key: folder.path().join("tls.key"),
    });
    for (credentials, good) in [(certificate, true), (Credentials::None, false)] {
        let service = Service {
            tls: Tls {
                ca_cert: Some(ca_cert.clone()),
                ..Tls::default()
            },
            ..service(&registry.origin(), credentials)
        };
        let mut downloader = from_registry(service, registry.reference("v1"));
        assert_eq!(ask(&mut downloader, None).await.is_ok(), good);
    }
}
