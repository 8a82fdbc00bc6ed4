//! Authorities of our own, and our own certificate.

use std::path::Path;

use portcullis::services::{ClientTls, Credentials, Service, ServiceError};
use tempfile::TempDir;

use crate::{
    THING, ask,
    bundles::{Answer, BundleServer},
    certificates::Authority,
    client, failure, service,
};

async fn server(authority: &Authority, clients: Option<&Authority>) -> BundleServer {
    let leaf = authority.server();
    let clients = clients.map(|clients| clients.der().clone());
    let server = BundleServer::start_tls(leaf.certificate, leaf.key, clients).await;
    server.set(THING, Answer::ok("it"));
    server
}

fn trusting(server: &BundleServer, folder: &Path, authority: &Authority) -> Service {
    let path = folder.join("ca.crt");
    std::fs::write(&path, authority.pem()).unwrap();
    let mut service = service(server);
    service.tls.ca_cert = Some(path);
    service
}

#[tokio::test]
async fn only_a_server_that_our_authority_vouches_for_is_believed() {
    let folder = TempDir::new().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = server(&ours, None).await;
    let system = client(service(&server));
    assert!(matches!(
        ask(&system).await,
        Err(ServiceError::Transport { .. })
    ));
    let mut both = trusting(&server, folder.path(), &ours);
    both.tls.system_ca_required = true;
    assert_eq!(ask(&client(both)).await.unwrap().body, "it");

    let client = client(trusting(&server, folder.path(), &theirs));
    assert!(ask(&client).await.is_err());
    // The file is read again each time.
    trusting(&server, folder.path(), &ours);
    assert_eq!(ask(&client).await.unwrap().body, "it");
    trusting(&server, folder.path(), &theirs);
    assert!(ask(&client).await.is_err());
    assert_eq!(server.seen(THING).len(), 2);
}

#[tokio::test]
async fn anybody_is_believed_only_who_asks_for_that() {
    let server = server(&Authority::new("theirs"), None).await;
    for insecure in [true, false] {
        let mut service = service(&server);
        service.tls.insecure = insecure;
        assert_eq!(ask(&client(service)).await.is_ok(), insecure);
    }
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_a_failure() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let server = server(&authority, None).await;
    let client = client(trusting(&server, folder.path(), &authority));
    let path = folder.path().join("ca.crt");
    for (text, rule) in [
        ("", "holds no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\n",
            "holds no usable certificates",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let answer = ask(&client).await;
        assert!(answer.as_ref().unwrap_err().is_preparation());
        let error = failure(answer);
        assert!(error.contains(rule), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    let error = failure(ask(&client).await);
    assert!(error.contains("cannot read"), "{error}");
    assert!(server.seen(THING).is_empty());
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_the_newest() {
    let folder = TempDir::new().unwrap();
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = server(&authority, Some(&clients)).await;
    let without = trusting(&server, folder.path(), &authority);
    assert!(ask(&client(without.clone())).await.is_err());

    let with = client(Service {
        credentials: Credentials::ClientTls(ClientTls {
            cert: folder.path().join("tls.crt"),
            private_key: folder.path().join("tls.key"),
        }),
        ..without
    });
    let others = Authority::new("others").workload("spiffe://a/b");
    others.write(folder.path());
    assert!(ask(&with).await.is_err());
    for id in ["spiffe://a/first", "spiffe://a/second"] {
        let leaf = clients.workload(id);
        leaf.write(folder.path());
        assert_eq!(ask(&with).await.unwrap().body, "it");
        let seen = server.seen(THING).pop().unwrap();
        assert_eq!(seen.certificate, Some(leaf.certificate));
    }
    std::fs::write(folder.path().join("tls.key"), "no key").unwrap();
    let error = failure(ask(&with).await);
    assert!(error.contains("tls.crt"), "{error}");
}

#[tokio::test]
async fn our_certificate_is_not_shown_to_others() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("all");
    let server = server(&authority, Some(&authority)).await;
    let other = self::server(&authority, Some(&authority)).await;
    let there = format!("{}{THING}", other.origin());
    authority.workload("spiffe://a/b").write(folder.path());
    let client = client(Service {
        credentials: Credentials::ClientTls(ClientTls {
            cert: folder.path().join("tls.crt"),
            private_key: folder.path().join("tls.key"),
        }),
        ..trusting(&server, folder.path(), &authority)
    });
    assert_eq!(ask(&client).await.unwrap().body, "it");
    server.set(THING, Answer::redirect(302, &there));
    // Without it the other one does not talk to us.
    assert!(matches!(
        ask(&client).await,
        Err(ServiceError::Transport { .. })
    ));
    assert!(other.seen(THING).is_empty());
}
