//! TLS, mTLS, the list of callers and the change of certificates.

use std::{path::Path, time::Duration};

use portcullis::app::{ServerOptions, counts::Count, tls::callers::Callers};

use crate::support::{
    Running,
    certificates::{self, Authority, Leaf},
    client, options, soon, tcp,
};

const GATEWAY: &str = "spiffe://cluster.local/ns/istio-system/sa/gateway";
const OTHER: &str = "spiffe://cluster.local/ns/shop/sa/cart";

async fn check(server: &Running, authority: &Authority, client: Option<&Leaf>) -> bool {
    let check = async {
        let io = client::dial_tls(&server.grpc, authority, client).await?;
        client::check_over(io).await
    };
    soon(Box::pin(check)).await.is_ok()
}

/// The server counts a caller after that caller has noticed.
async fn reaches(count: &Count, expected: u64) {
    let counted = async {
        while count.get() < expected {
            tokio::task::yield_now().await;
        }
    };
    soon(counted).await;
    assert_eq!(count.get(), expected);
}

fn listing(options: &mut ServerOptions, folder: &Path, authority: &Authority, callers: &[&str]) {
    let mut tls = certificates::tls(folder, Some(authority));
    tls.callers = Callers::Listed(callers.iter().map(|text| text.parse().unwrap()).collect());
    options.tls = Some(tls);
}

#[tokio::test]
async fn tls_without_client_certificates_answers_tls_and_refuses_plaintext() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let server =
        Running::start(|options| options.tls = Some(certificates::tls(folder.path(), None))).await;
    assert!(check(&server, &authority, None).await);
    assert!(soon(client::check(&server.grpc)).await.is_err());
    assert!(!check(&server, &Authority::new("other"), None).await);
}

#[tokio::test]
async fn only_a_caller_on_the_list_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let server =
        Running::start(|options| listing(options, folder.path(), &authority, &[GATEWAY])).await;

    assert!(check(&server, &authority, Some(&authority.workload(GATEWAY))).await);
    assert_eq!(server.counts.refused_callers.get(), 0);

    assert!(!check(&server, &authority, Some(&authority.workload(OTHER))).await);
    reaches(&server.counts.refused_callers, 1).await;
    assert!(!check(&server, &authority, Some(&authority.server())).await);
    reaches(&server.counts.refused_callers, 2).await;
    assert_eq!(server.counts.handshake_failures.get(), 0);
}

#[tokio::test]
async fn without_a_certificate_of_the_right_authority_no_handshake_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let server = Running::start(|options| {
        options.tls = Some(certificates::tls(folder.path(), Some(&authority)));
    })
    .await;
    assert!(check(&server, &authority, Some(&authority.workload(OTHER))).await);

    assert!(!check(&server, &authority, None).await);
    let forged = Authority::new("mesh").workload(OTHER);
    assert!(!check(&server, &authority, Some(&forged)).await);
    assert!(soon(client::check(&server.grpc)).await.is_err());
    reaches(&server.counts.handshake_failures, 3).await;
}

#[tokio::test]
async fn a_list_of_callers_without_an_authority_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let mut options = options();
    listing(&mut options, folder.path(), &authority, &[GATEWAY]);
    options.tls.as_mut().unwrap().files.client_authorities = None;
    let error = Running::try_start(options).await.err().unwrap();
    assert_eq!(error.to_string(), "TLS on the gRPC port cannot be set up");
}

#[tokio::test]
async fn a_server_without_a_usable_certificate_is_not_started() {
    let authority = Authority::new("mesh");
    let (one, other) = (authority.server(), authority.server());
    for (certificate, key) in [
        ("", one.key_pem.as_str()),
        ("no pem", one.key_pem.as_str()),
        (one.certificate_pem.as_str(), ""),
        (one.certificate_pem.as_str(), other.key_pem.as_str()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tls.crt"), certificate).unwrap();
        std::fs::write(folder.path().join("tls.key"), key).unwrap();
        let mut options = options();
        options.tls = Some(certificates::tls(folder.path(), None));
        assert!(Running::try_start(options).await.is_err());
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    old.server().write(folder.path());
    let server =
        Running::start(|options| options.tls = Some(certificates::tls(folder.path(), None))).await;
    let mut certificate = server.certificate.clone().unwrap();
    assert!(check(&server, &old, None).await);

    std::fs::write(folder.path().join("tls.crt"), "broken").unwrap();
    let rejected = soon(certificate.wait_for(|status| status.rejected.is_some())).await;
    assert_eq!(rejected.unwrap().generation, 1);
    assert!(check(&server, &old, None).await);
    assert!(!check(&server, &new, None).await);

    new.server().write(folder.path());
    let replaced = soon(certificate.wait_for(|status| status.rejected.is_none())).await;
    assert_eq!(replaced.unwrap().generation, 2);
    assert!(check(&server, &new, None).await);
    assert!(!check(&server, &old, None).await);
}

#[tokio::test]
async fn a_caller_that_never_shakes_hands_holds_nobody_up_and_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let server = Running::start(|options| {
        options.tls = Some(certificates::tls(folder.path(), None));
        options.http2.handshake_timeout = Duration::from_millis(500);
    })
    .await;
    let address = tcp(&server.grpc);
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    assert!(check(&server, &authority, None).await);
    let mut byte = [0];
    let end = soon(tokio::io::AsyncReadExt::read(&mut silent, &mut byte)).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    reaches(&server.counts.handshake_failures, 1).await;
}
