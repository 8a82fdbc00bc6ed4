//! A server of bundles that has versions, holds requests, misbehaves on demand, and remembers who asked.
//!
//! Include it as a module of a test (`#[path = "support/bundles.rs"] mod bundles;`). It names no other
//! module of the tests.

#[path = "bundles/answer.rs"]
mod answer;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
    response::IntoResponse as _,
};
use flate2::{Compression, write::GzEncoder};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use answer::{Answer, FLOOD, LONG_POLL, Version};

/// A gzip-compressed tar archive of these files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len().try_into().unwrap());
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// The path, without the query.
    pub(crate) path: String,
    /// What stands behind `?`.
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The certificate that the client showed.
    pub(crate) certificate: Option<CertificateDer<'static>>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// The server; it is gone when this is dropped.
pub(crate) struct BundleServer {
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
    serving: Mutex<Option<AbortOnDropHandle<()>>>,
}

struct Shared {
    /// What is answered at each path; 404 everywhere else.
    answers: watch::Sender<BTreeMap<String, Answer>>,
    seen: watch::Sender<Vec<Seen>>,
    held: watch::Sender<bool>,
    flooded: AtomicUsize,
}

impl BundleServer {
    /// Serves over plain HTTP.
    pub(crate) async fn start() -> Self {
        Self::open(None).await
    }

    /// Serves over TLS, to those whom `clients` vouches for if there is one.
    pub(crate) async fn start_tls(
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
        clients: Option<CertificateDer<'static>>,
    ) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(vec![certificate], key).unwrap();
        Self::open(Some(Arc::new(config))).await
    }

    async fn open(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            tls,
            shared: Arc::new(Shared {
                answers: watch::Sender::default(),
                seen: watch::Sender::default(),
                held: watch::Sender::new(false),
                flooded: AtomicUsize::new(0),
            }),
            serving: Mutex::new(None),
        };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: TcpListener) {
        let accepting = accept(listener, self.tls.clone(), Arc::clone(&self.shared));
        let serving = AbortOnDropHandle::new(tokio::spawn(accepting));
        *self.serving.lock().unwrap() = Some(serving);
    }

    /// Ends all connections and takes no more, until [`BundleServer::come_back`].
    pub(crate) async fn go_away(&self) {
        let serving = self.serving.lock().unwrap().take().unwrap();
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
    }

    /// Is there again, at the same address.
    pub(crate) async fn come_back(&self) {
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    /// The URL without a path.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// From now on this is answered at `path`, which begins with `/`; requests that are held for another
    /// version get it too.
    pub(crate) fn set(&self, path: &str, answer: impl Into<Answer>) {
        let answer = answer.into();
        self.shared.answers.send_modify(|answers| {
            answers.insert(path.to_owned(), answer);
        });
    }

    /// From now on requests are answered only after [`BundleServer::release`].
    pub(crate) fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Answers those who wait, and whoever comes.
    pub(crate) fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// The requests for `path` until now.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        at(path, &self.shared.seen.borrow())
    }

    /// Waits until there were `count` requests for `path`, and returns them all. A request counts
    /// before it is answered.
    pub(crate) async fn requests(&self, path: &str, count: usize) -> Vec<Seen> {
        let mut seen = self.shared.seen.subscribe();
        let enough = seen.wait_for(|seen| at(path, seen).len() >= count);
        at(path, &enough.await.unwrap())
    }

    /// How many bytes of floods have been handed to the network.
    pub(crate) fn flooded(&self) -> usize {
        self.shared.flooded.load(Ordering::SeqCst)
    }
}

fn at(path: &str, seen: &[Seen]) -> Vec<Seen> {
    let same = seen.iter().filter(|seen| seen.path == path);
    same.cloned().collect()
}

/// Takes connections; they end when this does.
async fn accept(listener: TcpListener, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(connection(stream, tls.clone(), Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) {
    let Some(config) = tls else {
        return answer_all(stream, None, shared).await;
    };
    // Whoever does not believe us, or whom we do not, goes away.
    if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates.map(|all| all[0].clone().into_owned());
        answer_all(stream, certificate, shared).await;
    }
}

async fn answer_all(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    certificate: Option<CertificateDer<'static>>,
    shared: Arc<Shared>,
) {
    let service = service_fn(|request| {
        let (shared, certificate) = (Arc::clone(&shared), certificate.clone());
        async move { Ok::<_, Infallible>(respond(request, certificate, shared).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // Answers that break off end in an error.
    drop(connection.await);
}

async fn respond(
    request: Request<hyper::body::Incoming>,
    certificate: Option<CertificateDer<'static>>,
    shared: Arc<Shared>,
) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(Body::new(body), FLOOD).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(ToOwned::to_owned),
        headers: parts.headers,
        body: body.to_vec(),
        certificate,
    };
    shared.seen.send_modify(|all| all.push(seen.clone()));
    let mut held = shared.held.subscribe();
    held.wait_for(|held| !held).await.unwrap();
    answer::to(&seen, &shared).await
}
