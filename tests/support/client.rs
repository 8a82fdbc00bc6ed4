//! Clients: checks over every transport, and plain HTTP for the admin port.

use std::{net::SocketAddr, os::linux::net::SocketAddrExt as _, sync::Arc};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, attribute_context::Peer,
    authorization_client::AuthorizationClient,
};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use portcullis::app::listen::Bound;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};

use super::certificates::{Authority, Leaf};

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Connects in plaintext.
pub(crate) async fn dial(bound: &Bound) -> std::io::Result<Box<dyn Io>> {
    Ok(match bound {
        Bound::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            // As Envoy does.
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        Bound::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Bound::Abstract(name) => {
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
            stream.set_nonblocking(true)?;
            Box::new(UnixStream::from_std(stream)?)
        }
    })
}

/// Connects with TLS: trusts `authority` and presents `client`.
pub(crate) async fn dial_tls(
    bound: &Bound,
    authority: &Authority,
    client: Option<&Leaf>,
) -> std::io::Result<TlsStream<Box<dyn Io>>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        Some(leaf) => builder
            .with_client_auth_cert(vec![leaf.certificate.clone()], leaf.key.clone_key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, dial(bound).await?)
        .await
}

/// A channel over the one connection `io`; it cannot reconnect.
pub(crate) async fn over<I: Io + 'static>(io: I) -> Result<Channel, tonic::transport::Error> {
    let mut io = Some(io);
    Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let io = io.take().ok_or_else(|| std::io::Error::other("gone"));
            async move { io.map(TokioIo::new) }
        }))
        .await
}

/// A channel in plaintext.
pub(crate) async fn channel(bound: &Bound) -> Channel {
    over(dial(bound).await.unwrap()).await.unwrap()
}

/// What a caller asks that calls itself `service`.
pub(crate) fn request(service: impl Into<String>) -> CheckRequest {
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                service: service.into(),
                ..Peer::default()
            }),
            ..AttributeContext::default()
        }),
    }
}

/// Whether `response` lets its request through: so Envoy reads it.
pub(crate) fn allows(response: &CheckResponse) -> bool {
    response
        .status
        .as_ref()
        .is_none_or(|status| status.code == 0)
}

/// Two checks over `io`, that of a friend and that of a stranger; both must get their answer.
pub(crate) async fn check_over<I: Io + 'static>(io: I) -> anyhow::Result<()> {
    ask(over(io).await?).await
}

/// The same over a channel.
pub(crate) async fn ask(channel: Channel) -> anyhow::Result<()> {
    let mut client = AuthorizationClient::new(channel);
    for (service, allowed) in [("friend", true), ("stranger", false)] {
        let response = client.check(request(service)).await?.into_inner();
        anyhow::ensure!(allows(&response) == allowed, "{service}: {response:?}");
    }
    Ok(())
}

/// The checks of [`check_over`] in plaintext.
pub(crate) async fn check(bound: &Bound) -> anyhow::Result<()> {
    check_over(dial(bound).await?).await
}

/// `GET path`: status, content type and body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let (head, body) = send(address, path, &[]).await;
    let content_type = head.headers.get("content-type");
    let content_type = content_type.map_or("", |value| value.to_str().unwrap());
    (
        head.status.as_u16(),
        content_type.to_owned(),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// `GET path` with these headers: what is told in headers, and the body as it came.
pub(crate) async fn get_with(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> (http::HeaderMap, Bytes) {
    let (head, body) = send(address, path, headers).await;
    (head.headers, body)
}

async fn send(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> (http::response::Parts, Bytes) {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::get(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    (head, body.collect().await.unwrap().to_bytes())
}
