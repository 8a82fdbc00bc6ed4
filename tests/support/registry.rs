//! A registry and an object store of our own, on free ports. Both misbehave on demand and remember who
//! asked for what.
//!
//! Include it as a module of a test (`#[path = "support/registry.rs"] mod registry;`). It names no other
//! module of the tests.

#[path = "registry/fault.rs"]
mod fault;
#[path = "registry/objects.rs"]
mod objects;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
    serve::Listener,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Url;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::task::AbortOnDropHandle;

pub(crate) use fault::Fault;
pub(crate) use objects::ObjectServer;

/// `sha256:` and digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let digits: Vec<String> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{}", digits.concat())
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let url: Url = format!("http://here{}", self.uri).parse().unwrap();
        let mut pairs = url.query_pairs();
        pairs.find_map(|(known, value)| (known == name).then(|| value.into_owned()))
    }
}

/// Which requests a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    Manifest,
    Blob,
    Token,
    Upload,
}

/// Whom a registry believes.
#[derive(Clone, Debug)]
pub(crate) enum Guard {
    /// `Authorization` with exactly this.
    Header(String),
    /// A token that is handed out, at this address or else the registry's own, for that header.
    Token {
        header: Option<String>,
        realm: Option<String>,
    },
}

/// `Basic` of a user and a password.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The registry; it is gone when this is dropped.
pub(crate) struct Registry {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

struct Shared {
    origin: String,
    state: Mutex<Content>,
    seen: Mutex<Vec<Seen>>,
}

#[derive(Default)]
struct Content {
    blobs: BTreeMap<String, Bytes>,
    /// By repository and tag or digest.
    manifests: BTreeMap<(String, String), Bytes>,
    guard: Option<Guard>,
    faults: BTreeMap<At, Fault>,
    /// Where uploads are sent to instead.
    uploads_elsewhere: Option<String>,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(listener, address, "http")
    }

    /// Serves over TLS as `localhost`, to those whom `clients` vouches for if there is one.
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        Self::serve(tls, address, "https")
    }

    fn serve(
        listener: impl Listener<Addr = SocketAddr>,
        address: SocketAddr,
        scheme: &'static str,
    ) -> Self {
        let shared = Arc::new(Shared {
            origin: format!("{scheme}://localhost:{}", address.port()),
            state: Mutex::default(),
            seen: Mutex::default(),
        });
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self {
            address,
            scheme,
            shared,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host())
    }

    /// `host/org/policies:tag`.
    pub(crate) fn reference(&self, tag: &str) -> String {
        format!("{}/org/policies:{tag}", self.host())
    }

    /// `host/org/policies@digest`.
    pub(crate) fn pinned(&self, digest: &str) -> String {
        format!("{}/org/policies@{digest}", self.host())
    }

    /// Puts a bundle below a tag of `org/policies`, and gives the digest of its manifest.
    pub(crate) fn put(&self, tag: &str, archive: &[u8]) -> String {
        let layers = json!([self.layer(archive)]);
        let config = self.blob("application/vnd.oci.image.config.v1+json", b"{}");
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
        self.put_manifest(tag, &manifest)
    }

    /// Puts a blob, and gives the descriptor of it as a layer.
    pub(crate) fn layer(&self, archive: &[u8]) -> Value {
        self.blob("application/vnd.oci.image.layer.v1.tar+gzip", archive)
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let name = digest(bytes);
        let mut content = self.shared.state.lock().unwrap();
        content
            .blobs
            .insert(name.clone(), Bytes::copy_from_slice(bytes));
        json!({"mediaType": media_type, "digest": name, "size": bytes.len()})
    }

    pub(crate) fn put_manifest(&self, tag: &str, manifest: &Value) -> String {
        let bytes = Bytes::from(manifest.to_string());
        self.shared
            .state
            .lock()
            .unwrap()
            .keep("org/policies", tag, &bytes)
    }

    /// The manifest below a tag of `org/policies`.
    pub(crate) fn manifest(&self, tag: &str) -> Value {
        let content = self.shared.state.lock().unwrap();
        let key = ("org/policies".to_owned(), tag.to_owned());
        serde_json::from_slice(&content.manifests[&key]).unwrap()
    }

    pub(crate) fn guard(&self, guard: Guard) {
        self.shared.state.lock().unwrap().guard = Some(guard);
    }

    /// From now on such requests fail so.
    pub(crate) fn fault(&self, at: At, fault: Fault) {
        let mut content = self.shared.state.lock().unwrap();
        content.faults.insert(at, fault);
    }

    pub(crate) fn uploads_elsewhere(&self, origin: &str) {
        self.shared.state.lock().unwrap().uploads_elsewhere = Some(origin.to_owned());
    }

    /// The requests until now, which are forgotten.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

impl Content {
    fn keep(&mut self, repository: &str, name: &str, bytes: &Bytes) -> String {
        let named = digest(bytes);
        for name in [name, &named] {
            let key = (repository.to_owned(), name.to_owned());
            self.manifests.insert(key, bytes.clone());
        }
        named
    }

    fn manifest(&mut self, seen: &Seen, repository: &str, name: &str, body: &Bytes) -> Response {
        if seen.method == Method::PUT {
            let headers = [("docker-content-digest", self.keep(repository, name, body))];
            return (StatusCode::CREATED, headers).into_response();
        }
        let key = (repository.to_owned(), name.to_owned());
        let Some(bytes) = self.manifests.get(&key) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        let headers = [
            ("docker-content-digest", digest(bytes)),
            ("content-type", media_type),
        ];
        (headers, bytes.clone()).into_response()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let seen = Seen {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
    };
    shared.seen.lock().unwrap().push(seen.clone());
    let (at, good) = good(&shared, &seen, &body);
    let fault = at.and_then(|at| shared.state.lock().unwrap().faults.get(&at).cloned());
    match fault {
        Some(fault) => fault.instead_of(good).await,
        None => good,
    }
}

/// What a registry that works answers.
fn good(shared: &Shared, seen: &Seen, body: &Bytes) -> (Option<At>, Response) {
    let mut content = shared.state.lock().unwrap();
    let path = seen.uri.path();
    if path == "/token" {
        return (Some(At::Token), token(&content, seen));
    }
    if let Some(refusal) = refused(shared, &content, seen) {
        return (None, refusal);
    }
    let rest = path.strip_prefix("/v2/").unwrap_or_default();
    if let Some((repository, name)) = rest.split_once("/manifests/") {
        let response = content.manifest(seen, repository, name, body);
        return (Some(At::Manifest), response);
    }
    let Some((repository, name)) = rest.split_once("/blobs/") else {
        return (None, StatusCode::NOT_FOUND.into_response());
    };
    if seen.method == Method::POST {
        let host = content.uploads_elsewhere.clone().unwrap_or_default();
        let location = format!("{host}/v2/{repository}/blobs/uploads/1?state=x");
        let response = (StatusCode::ACCEPTED, [("location", location)]).into_response();
        return (Some(At::Upload), response);
    }
    if seen.method == Method::PUT {
        let named = seen.parameter("digest").unwrap();
        let status = if named == digest(body) {
            content.blobs.insert(named, body.clone());
            StatusCode::CREATED
        } else {
            StatusCode::BAD_REQUEST
        };
        return (Some(At::Upload), status.into_response());
    }
    // Whether it is there is always told: faults are about what is there.
    let at = (seen.method == Method::GET).then_some(At::Blob);
    let found = match content.blobs.get(name) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    };
    (at, found)
}

fn refused(shared: &Shared, content: &Content, seen: &Seen) -> Option<Response> {
    let shown = seen.header("authorization");
    let challenge = match content.guard.as_ref()? {
        Guard::Header(header) if shown == Some(header) => return None,
        Guard::Header(_) => "Basic realm=\"registry\"".to_owned(),
        Guard::Token { realm, .. } => {
            let writes = seen.method != Method::GET && seen.method != Method::HEAD;
            let needed = if writes { "push" } else { "pull" };
            let scope = shown.and_then(|shown| shown.strip_prefix("Bearer token-for:"));
            let actions = scope.and_then(|scope| scope.strip_prefix("repository:org/policies:"));
            if actions.is_some_and(|actions| actions.split(',').any(|action| action == needed)) {
                return None;
            }
            let own = format!("{}/token", shared.origin);
            let realm = realm.as_ref().unwrap_or(&own);
            let scope = format!("repository:org/policies:{needed}");
            format!("Bearer realm=\"{realm}\",service=\"registry\",scope=\"{scope}\"")
        }
    };
    let headers = [("www-authenticate", challenge)];
    Some((StatusCode::UNAUTHORIZED, headers).into_response())
}

fn token(content: &Content, seen: &Seen) -> Response {
    let wanted = match &content.guard {
        Some(Guard::Token { header, .. }) => header.as_deref(),
        Some(Guard::Header(_)) | None => None,
    };
    if seen.header("authorization") != wanted {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let scope = seen.parameter("scope").unwrap_or_default();
    let answer = json!({"token": format!("token-for:{scope}")});
    let json = [("content-type", "application/json")];
    (json, answer.to_string()).into_response()
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
