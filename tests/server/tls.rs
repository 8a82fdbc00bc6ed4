//! TLS, mTLS, the list of callers and the change of certificates.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portcullis::{
    app::{Stopped, listen::Bound},
    config::Config,
};
use rustls::pki_types::CertificateDer;

use crate::support::{
    Running,
    certificates::{self, Authority, Leaf},
    client, config, soon, tcp,
    wire::Wire,
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

fn listing(config: &mut Config, folder: &Path, authority: &Authority, callers: &[&str]) {
    let mut tls = certificates::tls(folder, Some(authority));
    tls.allowed_callers = Some(callers.iter().map(|text| text.parse().unwrap()).collect());
    config.portcullis.tls = Some(tls);
}

const REFUSED: &str = "portcullis_callers_refused_total";
const REPLACED: &str = r#"portcullis_certificate_reloads_total{result="success"}"#;
const REJECTED: &str = r#"portcullis_certificate_reloads_total{result="failure"}"#;
const FAILED: &str = "portcullis_tls_handshake_failures_total";

#[tokio::test]
async fn tls_without_client_certificates_answers_tls_and_refuses_plaintext() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let server = Running::start(|config| {
        config.portcullis.tls = Some(certificates::tls(folder.path(), None));
    })
    .await;
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
        Running::start(|config| listing(config, folder.path(), &authority, &[GATEWAY])).await;

    assert!(check(&server, &authority, Some(&authority.workload(GATEWAY))).await);
    assert_eq!(server.count(REFUSED), 0);

    assert!(!check(&server, &authority, Some(&authority.workload(OTHER))).await);
    server.reaches(REFUSED, 1).await;
    assert!(!check(&server, &authority, Some(&authority.server())).await);
    server.reaches(REFUSED, 2).await;
    assert_eq!(server.count(FAILED), 0);
}

#[tokio::test]
async fn without_a_certificate_of_the_right_authority_no_handshake_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let server = Running::start(|config| {
        config.portcullis.tls = Some(certificates::tls(folder.path(), Some(&authority)));
    })
    .await;
    assert!(check(&server, &authority, Some(&authority.workload(OTHER))).await);

    assert!(!check(&server, &authority, None).await);
    let forged = Authority::new("mesh").workload(OTHER);
    assert!(!check(&server, &authority, Some(&forged)).await);
    assert!(soon(client::check(&server.grpc)).await.is_err());
    server.reaches(FAILED, 3).await;
}

/// A configuration cannot say so; if something else does, it must not open the door.
#[tokio::test]
async fn a_list_of_callers_without_an_authority_admits_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let server = Running::start(|config| {
        listing(config, folder.path(), &authority, &[GATEWAY]);
        config.portcullis.tls.as_mut().unwrap().client_ca_file = None;
    })
    .await;
    assert!(!check(&server, &authority, None).await);
    assert!(!check(&server, &authority, Some(&authority.workload(GATEWAY))).await);
    server.reaches(REFUSED, 2).await;
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
        fs::write(folder.path().join("tls.crt"), certificate).unwrap();
        fs::write(folder.path().join("tls.key"), key).unwrap();
        let mut config = config();
        config.portcullis.tls = Some(certificates::tls(folder.path(), None));
        let error = Running::try_start(&config).await.err().unwrap();
        assert_eq!(error.to_string(), "TLS on the gRPC port cannot be set up");
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    old.server().write(folder.path());
    let server = Running::start(|config| {
        config.portcullis.tls = Some(certificates::tls(folder.path(), None));
    })
    .await;
    assert!(check(&server, &old, None).await);

    fs::write(folder.path().join("tls.crt"), "broken").unwrap();
    server.reaches(REJECTED, 1).await;
    assert_eq!(server.count(REPLACED), 0);
    assert!(check(&server, &old, None).await);
    assert!(!check(&server, &new, None).await);

    // Certificate and key may be looked at between one write and the other, which is refused.
    new.server().write(folder.path());
    server.reaches(REPLACED, 1).await;
    assert!(check(&server, &new, None).await);
    assert!(!check(&server, &old, None).await);
}

#[tokio::test]
async fn a_caller_that_never_shakes_hands_holds_nobody_up_and_is_cut_off_by_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let server = Running::start(|config| {
        config.portcullis.tls = Some(certificates::tls(folder.path(), None));
        config.portcullis.shutdown.drain_timeout = Duration::from_millis(50);
    })
    .await;
    let address = tcp(&server.grpc);
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    assert!(check(&server, &authority, None).await);
    server.stop.graceful();
    assert_eq!(server.stopped().await, Stopped::TimedOut);
    let mut byte = [0];
    let end = soon(tokio::io::AsyncReadExt::read(&mut silent, &mut byte)).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

/// Far more than there are turns for handshakes.
#[tokio::test]
async fn callers_that_never_shake_hands_take_no_turn_from_those_who_do() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let server = Running::start(|config| {
        config.portcullis.tls = Some(certificates::tls(folder.path(), None));
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(Wire::silent(&server.grpc).await);
    }
    server
        .reaches("portcullis_connections_accepted_total", 200)
        .await;
    for _ in 0..10 {
        assert!(check(&server, &authority, None).await);
    }
    assert!(
        silent.iter().all(Wire::is_held),
        "answered because others were cut off"
    );
    assert_eq!(server.count(FAILED), 0);
}

/// A folder of certificates as kubelet mounts a Secret: one rename changes all files.
struct Secret(tempfile::TempDir);

impl Secret {
    fn new(leaf: &Leaf) -> Self {
        let secret = Self(tempfile::tempdir().unwrap());
        secret.swap("..0", leaf);
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), secret.0.path().join(name)).unwrap();
        }
        secret
    }

    fn swap(&self, version: &str, leaf: &Leaf) {
        let path = |name: &str| self.0.path().join(name);
        let old = fs::read_link(path("..data"));
        fs::create_dir(path(version)).unwrap();
        leaf.write(&path(version));
        symlink(version, path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        if let Ok(old) = old {
            fs::remove_dir_all(self.0.path().join(old)).unwrap();
        }
    }
}

/// Shakes hands, asks for both twins, and returns the certificate it was shown.
async fn shown(grpc: &Bound, authority: &Authority) -> CertificateDer<'static> {
    let io = soon(client::dial_tls(grpc, authority, None)).await.unwrap();
    let certificates = io.get_ref().1.peer_certificates().unwrap();
    let certificate = certificates[0].clone().into_owned();
    soon(Box::pin(client::check_over(io))).await.unwrap();
    certificate
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_changes_of_the_certificate_under_load_fail_no_check() {
    let authority = Arc::new(Authority::new("mesh"));
    let leaves: Vec<_> = (0..=10).map(|_| authority.server()).collect();
    let secret = Secret::new(&leaves[0]);
    let server = Running::start(|config| {
        config.portcullis.tls = Some(certificates::tls(secret.0.path(), None));
    })
    .await;
    // A connection from before the first change goes on.
    let lasting = client::dial_tls(&server.grpc, &authority, None).await;
    let lasting = client::over(lasting.unwrap()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (stop, authority) = (Arc::clone(&stop), Arc::clone(&authority));
            let grpc = server.grpc.clone();
            tokio::spawn(async move {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    shown(&grpc, &authority).await;
                    answered += 1;
                }
                answered
            })
        })
        .collect();

    for (n, leaf) in (1..).zip(&leaves[1..]) {
        secret.swap(&format!("..{n}"), leaf);
        // Both files may be looked at while they are swapped, which is refused and looked at again.
        server.reaches(REPLACED, n).await;
        assert_eq!(shown(&server.grpc, &authority).await, leaf.certificate);
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(soon(caller).await.unwrap() > 0, "a caller asked nothing");
    }
    assert_eq!(server.count(FAILED), 0);
    soon(client::ask(lasting)).await.unwrap();
}
