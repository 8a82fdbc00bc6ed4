//! The stop: nothing that was asked is lost, and nothing waits for ever.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use h2::client::SendRequest;
use portcullis::app::{Stopped, listen::Bound};
use tokio::net::TcpStream;

use crate::support::{Running, client, soon, tcp};

/// An HTTP/2 connection of which every frame is in the hand of the test.
struct Raw {
    h2: SendRequest<Bytes>,
    end: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Raw {
    async fn connect(bound: &Bound) -> Self {
        let stream = TcpStream::connect(tcp(bound)).await.unwrap();
        let (h2, connection) = h2::client::handshake(stream).await.unwrap();
        let end = tokio::spawn(connection);
        Self { h2, end }
    }

    /// Sends the head and the first bytes of a call to `path`.
    async fn begin(
        &mut self,
        path: &str,
        message: &'static [u8],
        ends: bool,
    ) -> Result<(h2::client::ResponseFuture, h2::SendStream<Bytes>), h2::Error> {
        poll_fn(|cx| self.h2.poll_ready(cx)).await?;
        let request = http::Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let (response, mut body) = self.h2.send_request(request, false)?;
        body.send_data(Bytes::from_static(message), ends)?;
        Ok((response, body))
    }

    /// A check that has begun and waits for the rest of its message. The server has seen it: it
    /// has answered a call that came after it on the same connection.
    async fn begin_check(&mut self) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        let begun = self.begin(CHECK, &[0, 0, 0], false).await.unwrap();
        self.health().await.unwrap();
        begun
    }

    async fn health(&mut self) -> Result<(), h2::Error> {
        let (response, _) = self.begin(HEALTH, EMPTY, true).await?;
        response.await.map(drop)
    }
}

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// A message of no bytes.
const EMPTY: &[u8] = &[0, 0, 0, 0, 0];
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const ACCEPTED: &str = "portcullis_connections_accepted_total";

#[tokio::test]
async fn a_check_in_flight_is_answered_and_nobody_new_is_let_in() {
    let server = Running::start(|_| ()).await;
    let mut raw = Raw::connect(&server.grpc).await;
    let (response, mut rest) = raw.begin_check().await;
    server.stop.graceful();

    let refused = async {
        loop {
            if let Err(error) = raw.health().await {
                break error;
            }
        }
    };
    let refused = soon(refused).await;
    assert!(refused.is_go_away(), "{refused}");
    assert_eq!(refused.reason(), Some(h2::Reason::NO_ERROR));
    let closed = async { while TcpStream::connect(tcp(&server.grpc)).await.is_ok() {} };
    soon(closed).await;

    rest.send_data(Bytes::from_static(&[0, 0]), true).unwrap();
    let mut body = soon(response).await.unwrap().into_body();
    while let Some(data) = soon(body.data()).await {
        assert!(!data.unwrap().is_empty());
    }
    let trailers = soon(body.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    drop((rest, body));

    assert_eq!(server.stopped().await, Stopped::Drained);
    assert!(soon(raw.end).await.unwrap().is_ok());
}

/// The kernel completes a connection before the server accepts it. Here it cannot be accepted: the
/// only place is taken.
#[tokio::test]
async fn a_check_from_the_accept_queue_is_answered_during_the_stop() {
    let server = Running::start(|config| config.portcullis.http2.max_connections = 1).await;
    let mut first = Raw::connect(&server.grpc).await;
    let (_response, _rest) = first.begin_check().await;
    let mut queued = Raw::connect(&server.grpc).await;
    let (response, _) = queued.begin(CHECK, EMPTY, true).await.unwrap();
    assert_eq!(server.count(ACCEPTED), 1);
    server.stop.graceful();
    assert_eq!(soon(response).await.unwrap().status(), 200);
    assert_eq!(server.count(ACCEPTED), 2);
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_stop() {
    let server = Running::start(|_| ()).await;
    let mut raw = Raw::connect(&server.grpc).await;
    raw.health().await.unwrap();
    server.stop.graceful();
    assert_eq!(server.stopped().await, Stopped::Drained);
}

#[tokio::test]
async fn a_caller_that_never_finishes_is_dropped_after_the_drain_time() {
    let server = Running::start(|config| {
        config.portcullis.shutdown.drain_timeout = Duration::from_millis(50);
    })
    .await;
    let mut raw = Raw::connect(&server.grpc).await;
    let (response, _rest) = raw.begin_check().await;
    server.stop.graceful();
    assert_eq!(server.stopped().await, Stopped::TimedOut);
    assert!(soon(response).await.is_err());
}

#[tokio::test]
async fn checks_are_taken_during_the_grace_and_a_second_signal_cuts_it_short() {
    let server = Running::start(|config| {
        config.portcullis.shutdown.grace = Duration::from_hours(1);
    })
    .await;
    let mut readiness = server.ready.watch();
    assert!(readiness.current().is_ready());
    server.stop.graceful();
    assert!(!soon(readiness.changed()).await.unwrap().is_ready());
    assert_eq!(client::get(server.admin, "/readyz").await.0, 503);
    soon(client::check(&server.grpc)).await.unwrap();
    server.stop.at_once();
    assert_eq!(server.stopped().await, Stopped::AtOnce);
}

#[tokio::test]
async fn checks_that_never_pause_lose_nothing_over_a_stop() {
    let server = Running::start(|_| ()).await;
    let (grpc, stop) = (server.grpc.clone(), server.stop.clone());
    let asking = tokio::spawn(async move {
        let mut raw = Raw::connect(&grpc).await;
        let mut answered = 0_u32;
        loop {
            let begun = match raw.begin(CHECK, EMPTY, true).await {
                Ok((response, _)) => response,
                // Not sent: the caller takes it elsewhere.
                Err(error) => {
                    assert!(error.is_go_away(), "{error}");
                    return answered;
                }
            };
            match begun.await {
                Ok(_) => answered += 1,
                Err(error) => panic!("a check that was sent is lost: {error}"),
            }
            if answered == 100 {
                stop.graceful();
            }
        }
    });
    assert!(soon(asking).await.unwrap() >= 100);
    assert_eq!(server.stopped().await, Stopped::Drained);
}

#[tokio::test]
async fn an_old_connection_is_asked_to_go_while_the_server_stays() {
    let server = Running::start(|config| {
        config.portcullis.http2.max_connection_age = Some(Duration::from_millis(300));
    })
    .await;
    let mut raw = Raw::connect(&server.grpc).await;
    let (response, mut rest) = raw.begin_check().await;
    let refused = async { while raw.health().await.is_ok() {} };
    soon(refused).await;
    rest.send_data(Bytes::from_static(&[0, 0]), true).unwrap();
    assert_eq!(soon(response).await.unwrap().status(), 200);
    // A new connection is soon old too, so this can take more than one.
    let answered = async { while client::check(&server.grpc).await.is_err() {} };
    soon(answered).await;
}
