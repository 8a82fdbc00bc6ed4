//! Callers that send or read as slowly as they can: cut off or harmless, and nobody waits for them.

use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use portcullis::config::Config;
use prost::Message as _;
use tokio::task::JoinSet;

use crate::support::{
    Running, client, soon, tcp,
    wire::{
        CHECK, CONTINUATION, END_HEADERS, HEADERS, INITIAL_WINDOW_SIZE, PING, PREFACE, RST_STREAM,
        WINDOW_UPDATE, Wire, check, check_block, frame, settings,
    },
};

const CHECKS_OF_FRIENDS: &str = r#"portcullis_checks_total{outcome="allowed",reason="policy"}"#;
const IN_FLIGHT: &str = "portcullis_in_flight";

/// Probes soon, and does not wait long for the answer.
fn impatient(config: &mut Config) {
    config.portcullis.http2.keepalive_interval = Duration::from_millis(200);
    config.portcullis.http2.keepalive_timeout = Duration::from_millis(500);
}

/// Sends `begun` byte by byte, with a neighbour answered after each, and then nothing more.
async fn trickle(server: &Running, begun: &[u8]) -> Wire {
    let mut slow = Wire::silent(&server.grpc).await;
    for byte in begun.chunks(1) {
        if slow.send(byte).await.is_err() {
            break;
        }
        soon(client::check(&server.grpc)).await.unwrap();
    }
    slow
}

#[tokio::test]
async fn whoever_sends_byte_by_byte_is_cut_off_and_holds_nobody_up() {
    let server = Running::start(impatient).await;
    let greeting = [PREFACE, &settings(&[])].concat();
    let headers = frame(HEADERS, END_HEADERS, 1, &check_block());
    let begun = frame(HEADERS, 0, 1, &check_block());
    let more = frame(CONTINUATION, 0, 1, b"").repeat(5);
    for (name, bytes) in [
        ("nothing", vec![]),
        ("half a preface", PREFACE[..12].to_vec()),
        (
            "half a header block",
            [&greeting[..], &headers[..headers.len() - 1]].concat(),
        ),
        (
            "a header block without an end",
            [&greeting[..], &begun, &more].concat(),
        ),
    ] {
        let mut slow = trickle(&server, &bytes).await;
        slow.cut_off().await;
        soon(client::check(&server.grpc)).await.expect(name);
    }
}

/// What the server answers to a message of which only these bytes come, by a caller that is there.
async fn unfinished(server: &Running, begun: Vec<u8>) -> CheckResponse {
    let stream = tokio::net::TcpStream::connect(tcp(&server.grpc))
        .await
        .unwrap();
    let (mut h2, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://localhost{CHECK}"))
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let (response, mut body) = h2.send_request(request, false).unwrap();
    for byte in begun.chunks(1) {
        let byte = Bytes::copy_from_slice(byte);
        body.send_data(byte, false).unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = soon(response).await.unwrap().into_body();
    let mut framed = Vec::new();
    while let Some(data) = soon(answer.data()).await {
        framed.extend(data.unwrap());
    }
    CheckResponse::decode(&framed[5..]).unwrap()
}

/// More callers than there is memory for what they announce: they hold what they have sent alone.
#[tokio::test]
async fn messages_that_never_end_are_denied_and_take_no_memory_from_others() {
    let server = Running::start(|_| ()).await;
    let grpc = server.grpc.clone();
    let large = client::request(format!("friend{}", "x".repeat(200_000)));
    let mut slow = JoinSet::new();
    let server = std::sync::Arc::new(server);
    for n in 0..100 {
        // A message of 4 MiB, the largest that is taken; or not even its length.
        let announced = [0, 0, 0x40, 0, 0, 0x0a, 0x0a];
        let begun = announced[..=n % announced.len()].to_vec();
        let server = std::sync::Arc::clone(&server);
        slow.spawn(async move { unfinished(&server, begun).await });
    }
    server
        .reaches("portcullis_connections_accepted_total", 100)
        .await;
    let mut neighbour =
        envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient::new(
            client::channel(&grpc).await,
        );
    for _ in 0..20 {
        let answer = soon(neighbour.check(large.clone())).await.unwrap();
        assert!(client::allows(answer.get_ref()));
        soon(client::check(&grpc)).await.unwrap();
        assert!(slow.try_join_next().is_none(), "the slow ones were first");
    }
    while let Some(answer) = soon(slow.join_next()).await {
        assert!(!client::allows(&answer.unwrap()));
    }
}

/// The wire form of a check by a friend.
fn friend() -> Vec<u8> {
    client::request("friend").encode_to_vec()
}

#[tokio::test]
async fn answers_that_nobody_takes_are_no_checks_in_flight() {
    let server = Running::start(|config| {
        config.portcullis.http2.max_concurrent_streams = 50;
    })
    .await;
    let mut slow = Wire::connect(&server.grpc, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    for n in 0..50 {
        slow.send(&check(2 * n + 1, &friend())).await.unwrap();
    }
    server.reaches(CHECKS_OF_FRIENDS, 50).await;
    assert_eq!(server.count(IN_FLIGHT), 0);
    soon(client::check(&server.grpc)).await.unwrap();
    // All of its streams are taken: the next one is refused, whatever it asks.
    slow.send(&check(101, &friend())).await.unwrap();
    let refused = soon(slow.until(|frame| frame.kind == RST_STREAM)).await;
    assert_eq!(refused.unwrap().stream, 101);
    assert_eq!(server.count(CHECKS_OF_FRIENDS), 51);
}

#[tokio::test]
async fn window_updates_of_nothing_end_the_stream_or_the_connection_of_their_sender() {
    let server = Running::start(|_| ()).await;
    for stream in [0, 1] {
        let mut wire = Wire::connect(&server.grpc, &[]).await;
        wire.send(&frame(HEADERS, END_HEADERS, 1, &check_block()))
            .await
            .unwrap();
        let nothing = 0_u32.to_be_bytes();
        wire.send(&frame(WINDOW_UPDATE, 0, stream, &nothing))
            .await
            .unwrap();
        // RST_STREAM for a stream, GOAWAY and the end for a connection.
        soon(wire.until(|frame| frame.kind == RST_STREAM)).await;
        soon(client::check(&server.grpc)).await.unwrap();
    }
}

/// A caller that asks for ever and reads nothing: its socket fills up in both directions.
#[tokio::test]
async fn a_caller_that_reads_no_answer_is_cut_off() {
    let server = Running::start(impatient).await;
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(1000);
    let mut deaf = Wire::deaf(&server.grpc).await;
    // Until the server has closed the connection.
    soon(async { while deaf.send(&pings).await.is_ok() {} }).await;
    soon(client::check(&server.grpc)).await.unwrap();
}
