//! A server of key sets that rotates and misbehaves on demand, and counts who asks.

#[path = "keys.rs"]
pub(crate) mod keys;

use std::{
    iter,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    serve::Listener,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::task::AbortOnDropHandle;

/// Where the keys are.
pub(crate) const KEYS: &str = "/jwks";
/// Where the OpenID configuration is, below the issuer.
pub(crate) const CONFIGURATION: &str = "/.well-known/openid-configuration";
/// How much [`Answer::Flood`] sends to who takes it, in bytes.
pub(crate) const FLOOD: usize = 100 << 20;

/// What is answered at one path.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// 200 with these headers; an `etag` among them makes it 304 for those who have that.
    Text(String, Vec<(header::HeaderName, String)>),
    /// A status without anything else.
    Status(u16),
    /// 302 to there.
    Redirect(String),
    /// Nothing, for ever.
    Stall,
    /// The begin of an answer, and then nothing, for ever.
    StallWithin,
    /// [`FLOOD`] bytes, with or without saying so before.
    Flood { announced: bool },
}

impl Answer {
    /// A key set.
    pub(crate) fn keys(set: &Value) -> Self {
        Self::Text(set.to_string(), Vec::new())
    }

    /// The same with another header.
    pub(crate) fn with(self, name: header::HeaderName, value: &str) -> Self {
        let Self::Text(text, mut headers) = self else {
            panic!("only texts have headers");
        };
        headers.push((name, value.to_owned()));
        Self::Text(text, headers)
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) if_none_match: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) accept: Option<String>,
}

impl Seen {
    fn of(request: &Request) -> Self {
        let header = |name| {
            let value: Option<&header::HeaderValue> = request.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        Self {
            path: request.uri().path().to_owned(),
            if_none_match: header(header::IF_NONE_MATCH),
            user_agent: header(header::USER_AGENT),
            accept: header(header::ACCEPT),
        }
    }
}

/// The server; it is gone when this is dropped.
pub(crate) struct KeyServer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

struct Shared {
    keys: Mutex<Answer>,
    configuration: Mutex<Answer>,
    seen: watch::Sender<Vec<Seen>>,
    flooded: AtomicUsize,
}

impl KeyServer {
    /// Serves `keys` over plain HTTP.
    pub(crate) async fn start(keys: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(listener, address, "http", keys)
    }

    /// Serves `keys` over TLS as `localhost`, to those whom `clients` vouches for if there is one.
    pub(crate) async fn start_tls(
        keys: Answer,
        chain: Vec<CertificateDer<'static>>,
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
        let config = builder.with_single_cert(chain, key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        Self::serve(tls, address, "https", keys)
    }

    fn serve(
        listener: impl Listener<Addr = SocketAddr>,
        address: SocketAddr,
        scheme: &'static str,
        keys: Answer,
    ) -> Self {
        let shared = Arc::new(Shared {
            keys: Mutex::new(keys),
            configuration: Mutex::new(Answer::Status(404)),
            seen: watch::Sender::new(Vec::new()),
            flooded: AtomicUsize::new(0),
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

    /// The URL without a path: the issuer.
    pub(crate) fn origin(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    /// The URL of the key set.
    pub(crate) fn url(&self) -> String {
        format!("{}{KEYS}", self.origin())
    }

    /// From now on the keys are this.
    pub(crate) fn set_keys(&self, answer: Answer) {
        *self.shared.keys.lock().unwrap() = answer;
    }

    /// From now on the OpenID configuration is this.
    pub(crate) fn set_configuration(&self, answer: Answer) {
        *self.shared.configuration.lock().unwrap() = answer;
    }

    /// From now on there is an OpenID configuration with these values.
    pub(crate) fn discoverable(&self, issuer: &str, jwks_uri: &str) {
        let configuration = json!({"issuer": issuer, "jwks_uri": jwks_uri, "scopes_supported": []});
        self.set_configuration(Answer::Text(configuration.to_string(), Vec::new()));
    }

    /// The requests until now.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// Waits until there were `count` requests, and returns them all.
    pub(crate) async fn requests(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.shared.seen.subscribe();
        let enough = seen.wait_for(|seen| seen.len() >= count);
        enough.await.unwrap().clone()
    }

    /// How many bytes of floods have been handed to the network.
    pub(crate) fn flooded(&self) -> usize {
        self.shared.flooded.load(Ordering::SeqCst)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let seen = Seen::of(&request);
    let (path, condition) = (seen.path.clone(), seen.if_none_match.clone());
    shared.seen.send_modify(|all| all.push(seen));
    let slot = match path.as_str() {
        CONFIGURATION => &shared.configuration,
        // Whoever follows a redirect finds what was wanted.
        _ => &shared.keys,
    };
    let answer = slot.lock().unwrap().clone();
    match answer {
        Answer::Text(text, headers) => text_answer(text, &headers, condition.as_ref()),
        Answer::Status(code) => StatusCode::from_u16(code).unwrap().into_response(),
        Answer::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Answer::Stall => std::future::pending().await,
        Answer::StallWithin => {
            let begin = iter::once(Ok::<_, std::io::Error>(Bytes::from_static(b"{\"keys\":[")));
            let begin = futures_util::stream::iter(begin);
            let stream = futures_util::StreamExt::chain(begin, futures_util::stream::pending());
            Body::from_stream(stream).into_response()
        }
        Answer::Flood { announced } => flood(shared, announced),
    }
}

fn text_answer(
    text: String,
    headers: &[(header::HeaderName, String)],
    condition: Option<&String>,
) -> Response {
    let known = headers
        .iter()
        .any(|(name, value)| name == header::ETAG && Some(value) == condition);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    };
    for (name, value) in headers {
        response
            .headers_mut()
            .append(name.clone(), value.parse().unwrap());
    }
    response
}

fn flood(shared: Arc<Shared>, announced: bool) -> Response {
    const CHUNK: &[u8] = &[b' '; 1 << 16];
    const CHUNKS: usize = FLOOD / CHUNK.len();
    let chunks = (0..CHUNKS).map(move |_| {
        shared.flooded.fetch_add(CHUNK.len(), Ordering::SeqCst);
        Ok::<_, std::io::Error>(Bytes::from_static(CHUNK))
    });
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    if announced {
        ([(header::CONTENT_LENGTH, FLOOD.to_string())], body).into_response()
    } else {
        body.into_response()
    }
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
