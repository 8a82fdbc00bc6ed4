//! Who may watch: this machine, or who is on the list.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use hyper_util::rt::TokioIo;
use portcullis::{
    app::{StartError, build::BuildError, listen::Bound},
    config::{Config, ListenAddr, ObserveAddr},
    observe::proto::observer_client::ObserverClient,
};
use tokio::net::{TcpSocket, UnixStream};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};

use crate::{
    certificates::{self, Authority, Leaf},
    gate::{Gate, Watching, follow, request, soon, tcp},
};

const OPERATOR: &str = "spiffe://cluster.local/ns/ops/sa/operator";
const OTHER: &str = "spiffe://cluster.local/ns/shop/sa/cart";

fn at(address: &str) -> ObserveAddr {
    ObserveAddr::At(address.parse().unwrap())
}

fn listing(config: &mut Config, folder: &Path, authority: &Authority) {
    let mut tls = certificates::tls(folder, Some(authority));
    tls.allowed_callers = Some(vec![OPERATOR.parse().unwrap()]);
    config.portcullis.observe.tls = Some(tls);
}

/// Watches with a certificate, or with none.
async fn watch(gate: &Gate, authority: &Authority, client: Option<&Leaf>) -> bool {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority.pem()))
        .domain_name("localhost");
    if let Some(client) = client {
        tls = tls.identity(Identity::from_pem(&client.certificate_pem, &client.key_pem));
    }
    let port = tcp(gate.observe.as_ref().unwrap()).port();
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}")).unwrap();
    match soon(endpoint.tls_config(tls).unwrap().connect()).await {
        Ok(channel) => watches(channel).await,
        Err(_) => false,
    }
}

async fn watches(channel: Channel) -> bool {
    Watching::new(ObserverClient::new(channel), follow())
        .await
        .is_ok()
}

#[tokio::test]
async fn an_address_for_everybody_answers_who_is_listed_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let gate = Gate::start(|config| {
        config.portcullis.observe.addr = at("0.0.0.0:0");
        listing(config, folder.path(), &authority);
    })
    .await;
    assert!(watch(&gate, &authority, Some(&authority.workload(OPERATOR))).await);
    assert!(!watch(&gate, &authority, Some(&authority.workload(OTHER))).await);
    assert!(!watch(&gate, &authority, None).await);
    let forged = Authority::new("mesh").workload(OPERATOR);
    assert!(!watch(&gate, &authority, Some(&forged)).await);
    let plain = format!(
        "http://127.0.0.1:{}",
        tcp(gate.observe.as_ref().unwrap()).port()
    );
    if let Ok(channel) = Endpoint::from_shared(plain).unwrap().connect().await {
        assert!(!watches(channel).await);
    }
}

/// A configuration cannot say so; if something else does, it must not open the door.
#[tokio::test]
async fn an_address_for_everybody_is_not_opened_without_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    for with_authority in [None, Some(&authority)] {
        let refused = Gate::try_start(|config| {
            config.portcullis.observe.addr = at("0.0.0.0:0");
            let tls = certificates::tls(folder.path(), with_authority);
            config.portcullis.observe.tls = Some(tls);
        })
        .await;
        let Err(BuildError::Start(StartError::Observe(error))) = refused else {
            panic!("it is open");
        };
        assert!(error.to_string().contains("a list of callers"), "{error}");
    }
}

/// So a sidecar comes that passes on what it got from elsewhere.
#[tokio::test]
async fn whoever_comes_from_another_loopback_address_is_not_answered() {
    let gate = Gate::start(|_| ()).await;
    let address = tcp(gate.observe.as_ref().unwrap());
    let from = |ip: Ipv4Addr| async move {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((ip, 0))).unwrap();
        let mut io = Some(socket.connect(address).await.unwrap());
        let connector = tower::service_fn(move |_: Uri| {
            let io = io.take().ok_or_else(|| std::io::Error::other("gone"));
            async move { io.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        match soon(endpoint.connect_with_connector(connector)).await {
            Ok(channel) => watches(channel).await,
            Err(_) => false,
        }
    };
    assert!(from(Ipv4Addr::LOCALHOST).await);
    assert!(!from(Ipv4Addr::new(127, 0, 0, 6)).await);
}

#[tokio::test]
async fn a_socket_file_is_for_this_user_alone_and_goes_with_the_gate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("observe.sock");
    let mut gate = Gate::start(|config| {
        config.portcullis.observe.addr = ObserveAddr::At(ListenAddr::Unix(path.clone()));
    })
    .await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let to = path.clone();
    let connector = tower::service_fn(move |_: Uri| {
        let path = to.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = soon(endpoint.connect_with_connector(connector))
        .await
        .unwrap();
    let client = ObserverClient::new(channel);
    let mut watching = Watching::new(client, follow()).await.unwrap();
    gate.ask(request("cart", "a", "/1")).await;
    assert_eq!(watching.decision().await.path, "/1");
    gate.stop.graceful();
    gate.stopped().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn off_shows_nobody_anything_and_checks_are_answered() {
    let mut gate = Gate::start(|config| config.portcullis.observe.addr = ObserveAddr::Off).await;
    assert_eq!(gate.observe, None);
    assert!(gate.ask(request("cart", "a", "/open")).await);
}

#[tokio::test]
async fn a_configured_address_that_is_taken_is_an_error_and_the_usual_one_is_not() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = Gate::try_start(|config| config.portcullis.observe.addr = at(&address)).await;
    assert!(matches!(
        refused,
        Err(BuildError::Start(StartError::Observe(_)))
    ));
    // If this fails, somebody else has taken it.
    let _usual = TcpListener::bind("127.0.0.1:9292");
    let mut gate = Gate::start(|config| config.portcullis.observe.addr = ObserveAddr::Usual).await;
    assert_eq!(gate.observe, None);
    assert!(gate.ask(request("cart", "a", "/open")).await);
}

#[tokio::test]
async fn checks_are_not_shown_where_they_are_answered_nor_answered_where_they_are_shown() {
    let gate = Gate::start(|_| ()).await;
    let Some(Bound::Tcp(address)) = gate.observe else {
        panic!("a TCP address");
    };
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = soon(endpoint.connect()).await.unwrap();
    let mut checks =
        envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient::new(
            channel,
        );
    let asked = soon(checks.check(request("cart", "a", "/open"))).await;
    assert_eq!(asked.unwrap_err().code(), tonic::Code::Unimplemented);
    let watched = Watching::new(ObserverClient::new(gate.checks_channel()), follow()).await;
    let Err(unknown) = watched else {
        panic!("shown on the gRPC port");
    };
    assert_eq!(unknown.code(), tonic::Code::Unimplemented);
}
