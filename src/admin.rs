//! The admin port: liveness, readiness, OPA's health endpoints, metrics and what is loaded.
//!
//! Plain HTTP/1.1, read-only, with a header time-out and few connections; nothing here is on the way
//! of a check. `/config` shows what it is given, so that redaction has one place.

mod answers;
mod scrape;

use std::{collections::BTreeMap, fmt, io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use futures_util::{Stream, StreamExt as _};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    task::JoinSet,
};
use tower_service::Service as _;

use crate::ready::Ready;

/// What the endpoints show; the closures are called once a request.
#[derive(Clone)]
pub struct Views {
    /// `/readyz`.
    pub ready: Ready,
    /// `/health`.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// `/metrics`, as OpenMetrics text, whatever the scraper is given.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// `/policy`.
    pub policy: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Where each bundle stands, in `/readyz`; empty when there are none.
    pub bundles: Arc<dyn Fn() -> serde_json::Map<String, serde_json::Value> + Send + Sync>,
    /// `/status`, as OPA's status API has it.
    pub status: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// `/config`, redacted already.
    pub config: serde_json::Value,
    /// `/version`.
    pub version: serde_json::Value,
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

/// What OPA's health endpoint asks about.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Whether every configured bundle is active.
    pub bundles_activated: bool,
    /// Whether each plugin is up, by its name in the configuration.
    pub plugins: BTreeMap<String, bool>,
}

/// Answers on every connection of `incoming`; dropping the future closes them all.
pub async fn serve<I>(incoming: impl Stream<Item = io::Result<I>> + Send, views: Views)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = answers::router(views);
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut serving = JoinSet::new();
    let mut incoming = pin!(incoming);
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match incoming.next().await {
            Some(Ok(io)) => {
                let router = router.clone();
                serving.spawn(async move {
                    speak(io, router).await;
                    drop(permit);
                });
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "admin connection not accepted");
                tokio::time::sleep(PAUSE).await;
            }
            None => break,
        }
        while serving.try_join_next().is_some() {}
    }
}

async fn speak<I>(io: I, router: Router)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request| router.clone().call(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(io), service);
    match tokio::time::timeout(MAX_AGE, connection).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => tracing::debug!(%error, "admin connection ended"),
        Err(elapsed) => tracing::debug!(%elapsed, "admin connection closed"),
    }
}

/// Admin connections at the same time.
const MAX_CONNECTIONS: usize = 64;
/// How long a request's head may take, and how long a connection may stay idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may live, however slowly its answers are read.
const MAX_AGE: Duration = Duration::from_mins(5);
/// Largest head of a request in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);
