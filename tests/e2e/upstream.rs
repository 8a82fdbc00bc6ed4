//! The application behind the proxy: answers 200 with what it received, and counts.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router, body::Bytes, extract::State, http::HeaderMap, http::Uri, response::IntoResponse,
};
use tokio::net::TcpListener;

/// A running upstream; ends with the test's runtime.
pub(crate) struct Upstream {
    port: u16,
    requests: Arc<AtomicUsize>,
}

impl Upstream {
    /// Listens on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let app = Router::new()
            .fallback(echo)
            .with_state(Arc::clone(&requests));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port, requests }
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Requests that got through to it.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// The request's headers as JSON object of lists, its `:uri` and the length of its `:body`.
async fn echo(
    State(requests): State<Arc<AtomicUsize>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    requests.fetch_add(1, Ordering::SeqCst);
    let mut seen = serde_json::json!({":uri": uri.to_string(), ":body": body.len()});
    for name in headers.keys() {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        seen[name.as_str()] = values.into();
    }
    let mine =
        ["x-upstream", "x-overwritten", "x-appended", "x-kept"].map(|name| (name, "upstream"));
    (mine, seen.to_string())
}
