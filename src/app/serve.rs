//! The connections of the gRPC port: accepted, shaken hands with, served over HTTP/2, drained.
//!
//! Promises that accepting never ends before the drain, whatever a connection or the kernel does,
//! that nobody's handshake holds up anybody else, and that a drain closes the door behind everything
//! already in the queue, so that no check that reached this host is lost.

use std::{io, pin::pin, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    counts::Counts,
    listen::{Listener, Plain},
    route::Routes,
    tls::{Acceptor, HandshakeError},
};

/// How HTTP/2 is spoken. Every value is a bound on what one caller can take.
#[derive(Clone, Debug)]
pub struct Http2 {
    /// Checks in flight on one connection.
    pub max_concurrent_streams: u32,
    /// Flow-control window of one stream in bytes.
    pub stream_window: u32,
    /// Flow-control window of one connection in bytes.
    pub connection_window: u32,
    /// Largest frame in bytes, 16,384 to 16,777,215.
    pub max_frame_size: u32,
    /// Largest header list in bytes.
    pub max_header_list_size: u32,
    /// How often a silent connection is pinged; `None` never does.
    pub keepalive_interval: Option<Duration>,
    /// How long the answer to a ping may take.
    pub keepalive_timeout: Duration,
    /// After about this time (a tenth more or less) the caller is asked to reconnect, which
    /// re-verifies its certificate and spreads callers over new instances.
    pub max_connection_age: Option<Duration>,
    /// Connections at the same time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            stream_window: 256 * 1024,
            connection_window: 1024 * 1024,
            max_frame_size: 16 * 1024,
            max_header_list_size: 16 * 1024,
            keepalive_interval: Some(Duration::from_secs(60)),
            keepalive_timeout: Duration::from_secs(20),
            max_connection_age: Some(Duration::from_secs(3600)),
            max_connections: 4096,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// The running gRPC port.
#[derive(Debug)]
pub(super) struct Serving {
    connections: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Serving {
    /// Starts accepting on `listener`.
    pub(super) fn start(listener: Listener, context: Context) -> Self {
        let serving = Self {
            connections: TaskTracker::new(),
            drain: context.drain.clone(),
            abort: context.abort.clone(),
        };
        let accepting = accept(listener, Arc::new(context), serving.connections.clone());
        serving.connections.spawn(accepting);
        serving
    }

    /// Closes the door, asks every caller to go and waits until the last check is answered.
    pub(super) async fn drain(&self) {
        self.drain.cancel();
        self.connections.close();
        self.connections.wait().await;
    }

    /// Drops what is still connected; how many tasks that are.
    pub(super) fn abort(&self) -> usize {
        self.abort.cancel();
        self.connections.len()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.drain.cancel();
        self.abort.cancel();
    }
}

/// What every connection shares.
#[derive(Debug)]
pub(super) struct Context {
    routes: Arc<Routes>,
    tls: Option<Acceptor>,
    options: Http2,
    http2: http2::Builder<TokioExecutor>,
    linger: Duration,
    connections: Arc<Semaphore>,
    handshakes: Semaphore,
    counts: Arc<Counts>,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Context {
    /// `linger` is how long a connection may go on after it was asked to go.
    pub(super) fn new(
        routes: Routes,
        tls: Option<Acceptor>,
        options: Http2,
        linger: Duration,
        counts: Arc<Counts>,
    ) -> Self {
        Self {
            routes: Arc::new(routes),
            tls,
            http2: http2_builder(&options),
            linger,
            connections: Arc::new(Semaphore::new(
                options.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            )),
            handshakes: Semaphore::new(MAX_HANDSHAKES),
            options,
            counts,
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        }
    }

    async fn serve(&self, plain: Plain, _held: Option<OwnedSemaphorePermit>) {
        let Some(tls) = &self.tls else {
            return self.speak(plain).await;
        };
        match self.shake_hands(tls, plain).await {
            Ok(session) => self.speak(session).await,
            Err(HandshakeError::Handshake(error)) => {
                self.counts.handshake_failures.increment();
                tracing::debug!(%error, "TLS handshake failed");
            }
            Err(HandshakeError::Caller(error)) => {
                self.counts.refused_callers.increment();
                tracing::warn!(%error, "caller refused");
            }
        }
    }

    /// The number of handshakes at a time is bounded: each one is worth a thousand checks.
    async fn shake_hands(
        &self,
        tls: &Acceptor,
        plain: Plain,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, HandshakeError> {
        let handshake = async {
            let _turn = self.handshakes.acquire().await;
            tls.accept(plain).await
        };
        tokio::time::timeout(self.options.handshake_timeout, handshake)
            .await
            .unwrap_or_else(|elapsed| Err(HandshakeError::Handshake(elapsed.into())))
    }

    async fn speak<I>(&self, io: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = Arc::clone(&self.routes);
        let service = service_fn(move |request: http::Request<Incoming>| {
            let routes = Arc::clone(&routes);
            async move { Ok::<_, std::convert::Infallible>(routes.answer(request).await) }
        });
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(io), service));
        // Polled only when one of them wakes: the tokens behind them take a lock that all
        // connections share, which no check should wait for.
        let mut ends =
            FuturesUnordered::from_iter([End::Leave, End::Abort].map(|end| self.wait(end)));
        let end = tokio::select! {
            biased;
            result = connection.as_mut() => return log_end(result),
            end = ends.next() => end,
        };
        match end {
            Some(End::Leave) => connection.as_mut().graceful_shutdown(),
            Some(End::Abort) | None => return,
        }
        tokio::select! {
            result = connection => log_end(result),
            () = tokio::time::sleep(self.linger) => tracing::debug!("connection outstayed its GOAWAY"),
            () = self.abort.cancelled() => (),
        }
    }

    async fn wait(&self, end: End) -> End {
        match end {
            End::Leave => self.leave().await,
            End::Abort => self.abort.cancelled().await,
        }
        end
    }

    /// Waits until this connection has to go: drain or age.
    async fn leave(&self) {
        match self.options.max_connection_age.map(jittered) {
            Some(age) => tokio::select! {
                () = self.drain.cancelled() => (),
                () = tokio::time::sleep(age) => (),
            },
            None => self.drain.cancelled().await,
        }
    }
}

/// How a connection ends from this side.
#[derive(Clone, Copy)]
enum End {
    /// With a GOAWAY, answering what is in flight.
    Leave,
    /// At once.
    Abort,
}

async fn accept(listener: Listener, context: Arc<Context>, connections: TaskTracker) {
    let spawn = |plain, permit| {
        context.counts.accepted.increment();
        let context = Arc::clone(&context);
        connections.spawn(async move { context.serve(plain, permit).await });
    };
    let mut failures = 0_u32;
    loop {
        let next = async {
            let permit = Arc::clone(&context.connections).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = context.drain.cancelled() => break,
        };
        match accepted {
            (Ok(plain), Ok(permit)) => {
                failures = 0;
                spawn(plain, Some(permit));
            }
            // The semaphore is never closed.
            (Ok(_), Err(_)) => break,
            (Err(error), _) => {
                context.counts.accept_errors.increment();
                tracing::warn!(%error, "connection not accepted");
                failures = failures.saturating_add(1);
                tokio::time::sleep(pause(&error, failures)).await;
            }
        }
    }
    // Few enough to be let in over the limit: the kernel's queue is short.
    for plain in listener.close() {
        spawn(plain, None);
    }
}

/// How long to wait after the `failures`-th error in a row: not at all for a connection that went
/// away by itself, longer and longer when the process is out of something (files, memory).
fn pause(error: &io::Error, failures: u32) -> Duration {
    let went_away = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    );
    if went_away {
        return Duration::ZERO;
    }
    MIN_PAUSE
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        .min(MAX_PAUSE)
}

/// A tenth more or less, so that callers that came together do not go together.
fn jittered(age: Duration) -> Duration {
    let seconds = age.as_secs_f64() * (0.9 + 0.2 * fastrand::f64());
    Duration::try_from_secs_f64(seconds).unwrap_or(age)
}

fn http2_builder(options: &Http2) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(options.max_concurrent_streams)
        .initial_stream_window_size(options.stream_window.min(MAX_WINDOW))
        .initial_connection_window_size(options.connection_window.min(MAX_WINDOW))
        .max_frame_size(options.max_frame_size.clamp(MIN_FRAME, MAX_FRAME))
        .max_header_list_size(options.max_header_list_size)
        .keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout);
    builder
}

fn log_end(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended");
    }
}

/// Largest flow-control window (RFC 9113 section 6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;
/// Smallest and largest frame that can be configured (RFC 9113 section 6.5.2).
const MIN_FRAME: u32 = 1 << 14;
const MAX_FRAME: u32 = (1 << 24) - 1;
/// TLS handshakes at the same time.
const MAX_HANDSHAKES: usize = 64;
/// First pause after a failed accept.
const MIN_PAUSE: Duration = Duration::from_millis(5);
/// Longest pause after a failed accept.
const MAX_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_pauses_longer_and_longer_but_never_for_good() {
        let out_of_files = io::Error::from_raw_os_error(24);
        for (failures, milliseconds) in [(1, 5), (2, 10), (5, 80), (9, 1000), (u32::MAX, 1000)] {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(pause(&out_of_files, failures), expected, "{failures}");
        }
        let gone = io::ErrorKind::ConnectionAborted.into();
        assert_eq!(pause(&gone, 7), Duration::ZERO);
    }

    #[test]
    fn ages_differ_by_a_tenth_at_most() {
        assert_eq!(jittered(Duration::ZERO), Duration::ZERO);
        assert!(jittered(Duration::MAX) > Duration::from_secs(u64::MAX / 2));
        for _ in 0..1000 {
            let age = jittered(Duration::from_secs(100)).as_secs_f64();
            assert!((90.0..=110.0).contains(&age), "{age}");
        }
    }
}
