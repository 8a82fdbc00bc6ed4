//! The connections of a gRPC port: accepted, shaken hands with, served over HTTP/2, drained.
//!
//! Promises that accepting never ends before the drain, whatever a connection or the kernel does,
//! that nobody's handshake holds up anybody else, that nobody keeps a place who never speaks, and that
//! a drain closes the door behind everything already in the queue, so that no check that reached this
//! host is lost.

use std::{
    convert::Infallible, error::Error, future::poll_fn, io, pin::pin, sync::Arc, task::ready,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use hyper::{
    body::{Body, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{
    sync::{CancellationToken, PollSemaphore},
    task::TaskTracker,
};

use super::{
    listen::{Listener, Plain, is_own},
    patience::Patient,
    tls::{Acceptor, HandshakeError},
};
use crate::{
    config::Http2,
    telemetry::{AcceptFailed, CallerRefused, ConnectionAccepted, HandshakeFailed, Metrics},
};

/// A running gRPC port.
#[derive(Debug)]
pub(super) struct Serving {
    connections: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Serving {
    /// Starts accepting on `listener`.
    pub(super) fn start<A: Answers>(listener: Listener, context: Context<A>) -> Self {
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

/// Who answers the calls of a port.
pub(super) trait Answers: Send + Sync + 'static {
    /// What answers are made of.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Answers one call; begins when it has arrived.
    fn answer(
        self: Arc<Self>,
        request: http::Request<Incoming>,
    ) -> impl Future<Output = Result<http::Response<Self::Body>, Infallible>> + Send;
}

/// Whom a port listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peers {
    /// Whoever comes, as far as TLS lets them in.
    Any,
    /// Who is on this machine, and may be.
    Own,
}

/// What every connection shares.
#[derive(Debug)]
pub(super) struct Context<A> {
    routes: Arc<A>,
    peers: Peers,
    tls: Option<Acceptor>,
    options: Http2,
    http2: http2::Builder<TokioExecutor>,
    linger: Duration,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl<A: Answers> Context<A> {
    /// `linger` is how long a connection may go on after it was asked to go.
    pub(super) fn new(
        routes: A,
        tls: Option<Acceptor>,
        options: Http2,
        linger: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            routes: Arc::new(routes),
            peers: Peers::Any,
            tls,
            http2: http2_builder(&options),
            linger,
            connections: Arc::new(Semaphore::new(
                options.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            )),
            handshakes: Arc::new(Semaphore::new(handshakes_at_once())),
            options,
            metrics,
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        }
    }

    /// The same for these peers alone.
    pub(super) fn only(mut self, peers: Peers) -> Self {
        self.peers = peers;
        self
    }

    async fn serve(&self, plain: Plain, _held: Option<OwnedSemaphorePermit>) {
        if self.peers == Peers::Own && !is_own(&plain) {
            let error = &NotOwn;
            return CallerRefused { error }.emit(&self.metrics);
        }
        let Some(tls) = &self.tls else {
            return self.speak(plain).await;
        };
        let handshake = by_turns(&self.handshakes, tls.accept(plain));
        let shaken = tokio::select! {
            shaken = in_time(HANDSHAKE_TIMEOUT, handshake) => shaken,
            () = self.abort.cancelled() => return,
        };
        let metrics = &*self.metrics;
        match shaken {
            Ok(session) => self.speak(session).await,
            Err(HandshakeError::Handshake(error)) => {
                HandshakeFailed { error: &error }.emit(metrics);
            }
            Err(HandshakeError::Caller(error)) => CallerRefused { error: &error }.emit(metrics),
        }
    }

    async fn speak<I>(&self, io: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = Arc::clone(&self.routes);
        let service = service_fn(move |request| Arc::clone(&routes).answer(request));
        let patience = self.options.keepalive_timeout;
        let (io, greeting) = Patient::new(io, patience);
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(io), service));
        tokio::select! {
            biased;
            result = connection.as_mut() => return log_end(result),
            // From here on keepalive finds out whether somebody is there.
            greeted = tokio::time::timeout(patience, greeting) => {
                if greeted.is_err() {
                    return tracing::debug!("connection never spoke HTTP/2");
                }
            }
            () = self.abort.cancelled() => return,
        }
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

/// A caller is not on this machine, or is somebody else there.
#[derive(Debug, thiserror::Error)]
#[error("the caller is not on this machine, or is another user")]
struct NotOwn;

/// A handshake that takes longer than `limit` has failed.
async fn in_time<T>(
    limit: Duration,
    handshake: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    tokio::time::timeout(limit, handshake)
        .await
        .unwrap_or_else(|elapsed| Err(HandshakeError::Handshake(elapsed.into())))
}

/// Works on a handshake only while it has one of `turns`, and gives that back whenever it waits for its
/// caller: a handshake is worth a thousand checks, a caller that does not go on is worth nothing.
async fn by_turns<F: Future>(turns: &Arc<Semaphore>, handshake: F) -> F::Output {
    let mut turns = PollSemaphore::new(Arc::clone(turns));
    let mut handshake = pin!(handshake);
    poll_fn(move |cx| {
        let _turn = ready!(turns.poll_acquire(cx));
        handshake.as_mut().poll(cx)
    })
    .await
}

/// Half of the workers: the others go on answering.
fn handshakes_at_once() -> usize {
    let workers = tokio::runtime::Handle::current().metrics().num_workers();
    workers.div_euclid(2).max(1)
}

/// How a connection ends from this side.
#[derive(Clone, Copy)]
enum End {
    /// With a GOAWAY, answering what is in flight.
    Leave,
    /// At once.
    Abort,
}

async fn accept<A: Answers>(
    listener: Listener,
    context: Arc<Context<A>>,
    connections: TaskTracker,
) {
    let spawn = |plain, permit| {
        ConnectionAccepted.emit(&context.metrics);
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
                AcceptFailed { error: &error }.emit(&context.metrics);
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
        // A caller may give up all it asked at once, and that must not end what others ask through the
        // same proxy; the library's own bound of 20 would.
        .max_pending_accept_reset_streams(usize::try_from(options.max_concurrent_streams).ok())
        .initial_stream_window_size(options.initial_stream_window_size)
        .initial_connection_window_size(options.initial_connection_window_size)
        .max_frame_size(options.max_frame_size)
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

/// How long a TLS handshake may take, waiting for its turn included.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
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

    #[tokio::test]
    async fn a_handshake_that_takes_too_long_has_failed() {
        let never = std::future::pending::<Result<(), _>>();
        let late = in_time(Duration::from_millis(1), never).await;
        assert!(matches!(late, Err(HandshakeError::Handshake(_))));
        let in_good_time = in_time(Duration::MAX, std::future::ready(Ok(()))).await;
        assert!(in_good_time.is_ok());
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
