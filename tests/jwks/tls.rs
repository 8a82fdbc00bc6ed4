//! Authorities of our own, and our own certificate.

use std::path::Path;

use portcullis::sources::jwks::{ClientCertificate, Http, Kind, Source};
use tempfile::TempDir;

use crate::{
    certificates::Authority,
    following::{Following, at, source},
    server::{
        Answer, KeyServer,
        keys::{Signer, key_set},
    },
};

async fn server(authority: &Authority, clients: Option<&Authority>) -> KeyServer {
    let keys = Answer::keys(&key_set(&[&Signer::es256("a")]));
    let leaf = authority.server();
    let clients = clients.map(|clients| clients.der().clone());
    KeyServer::start_tls(keys, vec![leaf.certificate], leaf.key, clients).await
}

fn trusting(server: &KeyServer, folder: &Path, authority: &Authority) -> Source {
    let path = folder.join("ca.crt");
    std::fs::write(&path, authority.pem()).unwrap();
    Source {
        http: Http {
            ca_file: Some(path),
            ..Http::default()
        },
        ..at(server.url())
    }
}

#[tokio::test]
async fn only_a_server_that_our_authority_vouches_for_is_believed() {
    let folder = TempDir::new().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = server(&ours, None).await;
    let cases = [
        ("ours", trusting(&server, folder.path(), &ours), true),
        ("system", at(server.url()), false),
    ];
    for (name, source, good) in cases {
        let following = Following::start(&format!("ca-{name}"), source);
        following.rounds(1).await;
        assert_eq!(!following.usable_now(&["a"]).is_empty(), good, "{name}");
    }
    let following = Following::start("ca-theirs", trusting(&server, folder.path(), &theirs));
    following.rounds(1).await;
    assert!(
        following.error().starts_with("cannot connect"),
        "{}",
        following.error()
    );
    // The file is read again each time.
    trusting(&server, folder.path(), &ours);
    following.refreshed().await;
    assert_eq!(following.usable_now(&["a"]), ["a"]);
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_a_failure() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let server = server(&authority, None).await;
    let source = trusting(&server, folder.path(), &authority);
    let path = folder.path().join("ca.crt");
    let cases = [
        ("", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\n", "is not a PEM file"),
    ];
    for (at, (text, error)) in cases.into_iter().enumerate() {
        std::fs::write(&path, text).unwrap();
        let following = Following::start(&format!("bad-ca-{at}"), source.clone());
        following.rounds(1).await;
        assert!(following.error().contains(error), "{}", following.error());
    }
    std::fs::remove_file(&path).unwrap();
    let following = Following::start("no-ca", source);
    following.rounds(1).await;
    assert!(
        following.error().contains("cannot be read"),
        "{}",
        following.error()
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ours() {
    let folder = TempDir::new().unwrap();
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let server = server(&authority, Some(&clients)).await;
    let without = trusting(&server, folder.path(), &authority);
    let mut with = without.clone();
    clients.workload("spiffe://a/b").write(folder.path());
    with.http.client = Some(ClientCertificate {
        cert_file: folder.path().join("tls.crt"),
        key_file: folder.path().join("tls.key"),
    });
    for (name, source, good) in [("with", with.clone(), true), ("without", without, false)] {
        let following = Following::start(&format!("client-{name}"), source);
        following.rounds(1).await;
        assert_eq!(!following.usable_now(&["a"]).is_empty(), good, "{name}");
    }
    Authority::new("others")
        .workload("spiffe://a/b")
        .write(folder.path());
    let following = Following::start("client-other", with);
    following.rounds(1).await;
    assert!(following.usable_now(&["a"]).is_empty());
    clients.workload("spiffe://a/b").write(folder.path());
    following.refreshed().await;
    assert_eq!(following.usable_now(&["a"]), ["a"]);
}

#[tokio::test]
async fn an_issuer_with_tls_has_its_keys_behind_tls() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let server = server(&authority, None).await;
    let plain = KeyServer::start(Answer::keys(&key_set(&[&Signer::es256("a")]))).await;
    let issuer = || Source {
        http: trusting(&server, folder.path(), &authority).http,
        ..source(Kind::Discovery {
            issuer: server.origin().into(),
        })
    };
    server.discoverable(&server.origin(), &server.url());
    let following = Following::start("upright", issuer());
    following.rounds(1).await;
    assert_eq!(following.usable_now(&["a"]), ["a"]);

    server.discoverable(&server.origin(), &plain.url());
    let following = Following::start("downgraded", issuer());
    following.rounds(1).await;
    assert!(
        following.error().contains("must be `https` too"),
        "{}",
        following.error()
    );
    assert!(plain.seen().is_empty());
}
