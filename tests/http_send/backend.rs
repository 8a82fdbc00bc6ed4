//! A backend that answers as it is told, misbehaves on demand, and remembers who asked.

use std::{
    convert::Infallible,
    iter,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
    serve::Listener,
};
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::task::AbortOnDropHandle;

use crate::certificates::{Authority, Leaf};

/// How much a flood sends to who takes it, in bytes.
pub(crate) const FLOOD: usize = 100 << 20;

/// In place of a header: the phrase behind the status.
pub(crate) const PHRASE: &str = "(phrase)";

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status, headers and a body; an `etag` among the headers makes it 304 for those who have that.
    Reply(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// What it is that was asked, as JSON.
    Echo,
    /// Nothing, for ever.
    Stall,
    /// The begin of an answer, and then nothing, for ever.
    StallWithin,
    /// [`FLOOD`] bytes, with or without saying so before.
    Flood { announced: bool },
    /// The connection ends.
    HangUp,
}

/// 200 with this text.
pub(crate) fn text(body: &str) -> Answer {
    Answer::Reply(200, Vec::new(), body.as_bytes().to_vec())
}

impl Answer {
    /// The same with another header.
    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        let Self::Reply(status, mut headers, body) = self else {
            panic!("only replies have headers");
        };
        headers.push((name, value.to_owned()));
        Self::Reply(status, headers, body)
    }

    /// The same with another status.
    pub(crate) fn status(self, status: u16) -> Self {
        let Self::Reply(_, headers, body) = self else {
            panic!("only replies have a status");
        };
        Self::Reply(status, headers, body)
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// The backend; it is gone when this is dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    seen: watch::Sender<Vec<Seen>>,
    held: watch::Sender<bool>,
    flooded: AtomicUsize,
}

impl Backend {
    /// Answers so over plain HTTP.
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(listener, address, "http", answer)
    }

    /// Answers so over TLS, to those whom `clients` vouches for if there is one.
    pub(crate) async fn start_tls(
        answer: Answer,
        leaf: &Leaf,
        clients: Option<&Authority>,
    ) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => builder.with_no_client_auth(),
        };
        let chain = vec![leaf.certificate.clone()];
        let config = builder
            .with_single_cert(chain, leaf.key.clone_key())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        Self::serve(tls, address, "https", answer)
    }

    fn serve(
        listener: impl Listener<Addr = SocketAddr>,
        address: SocketAddr,
        scheme: &'static str,
        answer: Answer,
    ) -> Self {
        let shared = Arc::new(Shared {
            answer: Mutex::new(answer),
            seen: watch::Sender::new(Vec::new()),
            held: watch::Sender::new(false),
            flooded: AtomicUsize::new(0),
        });
        let app = Router::new()
            .fallback(respond)
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

    /// What is allowed, for the configuration.
    pub(crate) fn origin(&self) -> String {
        let host = if self.scheme == "https" {
            "localhost"
        } else {
            "127.0.0.1"
        };
        format!("{}://{host}:{}", self.scheme, self.address.port())
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// From now on it answers this.
    pub(crate) fn set(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// From now on every answer waits until it is released.
    pub(crate) fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Lets all answers go.
    pub(crate) fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// The requests until now.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.shared.seen.borrow().len()
    }

    /// Waits until there were so many.
    pub(crate) async fn requests(&self, count: usize) {
        let mut seen = self.shared.seen.subscribe();
        seen.wait_for(|seen| seen.len() >= count).await.unwrap();
    }

    /// How many bytes of floods have been handed to the network.
    pub(crate) fn flooded(&self) -> usize {
        self.shared.flooded.load(Ordering::SeqCst)
    }
}

async fn respond(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let seen = Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: to_bytes(body, 1 << 24).await.unwrap().to_vec(),
    };
    shared.seen.send_modify(|all| all.push(seen.clone()));
    let answer = shared.answer.lock().unwrap().clone();
    let mut held = shared.held.subscribe();
    held.wait_for(|held| !held).await.unwrap();
    match answer {
        Answer::Reply(status, headers, body) => reply(status, &headers, body, &seen),
        Answer::Echo => echo(&seen),
        Answer::Stall => std::future::pending().await,
        Answer::StallWithin => {
            let begin = iter::once(Ok::<_, Infallible>(Bytes::from_static(b"{\"a\":")));
            let begin = futures_util::stream::iter(begin);
            let stream = futures_util::StreamExt::chain(begin, futures_util::stream::pending());
            Body::from_stream(stream).into_response()
        }
        Answer::Flood { announced } => flood(shared, announced),
        Answer::HangUp => {
            let broken = iter::once(Err::<Bytes, _>(std::io::Error::other("gone")));
            Body::from_stream(futures_util::stream::iter(broken)).into_response()
        }
    }
}

fn reply(status: u16, headers: &[(&'static str, String)], body: Vec<u8>, seen: &Seen) -> Response {
    let tag = headers.iter().find(|(name, _)| *name == "etag");
    let known = tag.is_some_and(|(_, tag)| seen.header("if-none-match") == Some(tag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (StatusCode::from_u16(status).unwrap(), Body::from(body)).into_response()
    };
    for (name, value) in headers {
        if *name == PHRASE {
            let phrase = hyper::ext::ReasonPhrase::try_from(value.as_bytes()).unwrap();
            response.extensions_mut().insert(phrase);
            continue;
        }
        let name: HeaderName = name.parse().unwrap();
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

fn echo(seen: &Seen) -> Response {
    let headers: serde_json::Map<String, serde_json::Value> = seen
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    let body = serde_json::json!({
        "method": seen.method,
        "target": seen.target,
        "headers": headers,
        "body": String::from_utf8_lossy(&seen.body),
    });
    (
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

fn flood(shared: Arc<Shared>, announced: bool) -> Response {
    const CHUNK: &[u8] = &[b' '; 1 << 16];
    const CHUNKS: usize = FLOOD / CHUNK.len();
    let chunks = (0..CHUNKS).map(move |_| {
        shared.flooded.fetch_add(CHUNK.len(), Ordering::SeqCst);
        Ok::<_, Infallible>(Bytes::from_static(CHUNK))
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
