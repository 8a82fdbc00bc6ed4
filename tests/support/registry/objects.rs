//! An object store that speaks as much of S3, Google Cloud Storage and Azure Blob Storage as a download
//! needs: objects by path, with entity tags.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse as _, Response},
};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{Fault, Seen, digest};

/// The store; it is gone when this is dropped.
pub(crate) struct ObjectServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Shared {
    objects: Mutex<BTreeMap<String, Bytes>>,
    fault: Mutex<Option<Fault>>,
    seen: Mutex<Vec<Seen>>,
}

impl ObjectServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self {
            address,
            shared,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts an object at a path: bucket, then key.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let mut objects = self.shared.objects.lock().unwrap();
        objects.insert(path.to_owned(), Bytes::copy_from_slice(bytes));
    }

    /// From now on requests fail so.
    pub(crate) fn fault(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = Some(fault);
    }

    /// The requests until now, which are forgotten.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let seen = Seen {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
    };
    shared.seen.lock().unwrap().push(seen.clone());
    // Google's store takes a key as one segment of the path.
    let path = percent_decode_str(seen.uri.path()).decode_utf8().unwrap();
    let found = shared.objects.lock().unwrap().get(path.as_ref()).cloned();
    let good = match found {
        Some(bytes) if seen.method == Method::GET => {
            let tag = format!("\"{}\"", &digest(&bytes)["sha256:".len()..][..32]);
            if seen.header("if-none-match") == Some(&tag) {
                StatusCode::NOT_MODIFIED.into_response()
            } else {
                let modified = "Sun, 06 Nov 1994 08:49:37 GMT".to_owned();
                ([("etag", tag), ("last-modified", modified)], bytes).into_response()
            }
        }
        Some(_) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        None => (StatusCode::NOT_FOUND, "<Code>NoSuchKey</Code>").into_response(),
    };
    let fault = shared.fault.lock().unwrap().clone();
    match fault {
        Some(fault) => fault.instead_of(good).await,
        None => good,
    }
}
