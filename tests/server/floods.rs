//! Floods of frames that cost their sender little: cut off or harmless, and the neighbours are
//! answered meanwhile.

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use prost::Message as _;

use crate::support::{
    Running,
    client::{self, allows, request},
    soon,
    wire::{
        CANCEL, CONTINUATION, DATA, END_HEADERS, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, Wire, check, check_block, frame,
    },
};

const CHECKS: [&str; 2] = [
    r#"portcullis_checks_total{outcome="allowed",reason="policy"}"#,
    r#"portcullis_checks_total{outcome="denied",reason="request"}"#,
];
const MANY: usize = 50_000;

/// Sends `flood` while a neighbour asks; whether the sender is still connected at the end. The
/// neighbour gets every answer, and there is no check left behind.
async fn flood(server: &Running, name: &str, flood: &[u8]) -> bool {
    let mut hostile = Wire::connect(&server.grpc, &[]).await;
    let mut neighbour = AuthorizationClient::new(client::channel(&server.grpc).await);
    let mut flooding = Box::pin(hostile.survives(flood));
    let survived = loop {
        tokio::select! {
            survived = &mut flooding => break survived,
            answer = soon(neighbour.check(request("friend"))) => {
                assert!(allows(answer.expect(name).get_ref()), "{name}");
            }
        }
    };
    let answer = soon(neighbour.check(request("stranger"))).await;
    assert!(!allows(answer.expect(name).get_ref()), "{name}");
    soon(client::check(&server.grpc)).await.expect(name);
    survived
}

/// Odd numbers, as clients use them.
fn streams(count: usize) -> impl Iterator<Item = u32> {
    (1..).step_by(2).take(count)
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_reset_at_once_cost_no_decision_each() {
    let server = Running::start(|_| ()).await;
    let message = request("friend").encode_to_vec();
    for name in ["heads", "whole checks"] {
        let begin = |stream| match name {
            "heads" => frame(HEADERS, END_HEADERS, stream, &check_block()),
            _ => check(stream, &message),
        };
        let frames = streams(MANY).flat_map(|stream| [begin(stream), reset(stream)].concat());
        let flood_of: Vec<u8> = frames.collect();
        // Being cut off is as good.
        flood(&server, name, &flood_of).await;
    }
    let [friends, unread] = CHECKS.map(|sample| server.count(sample));
    let most = u64::try_from(MANY / 5).unwrap();
    assert!(friends + unread < most, "{friends} and {unread} decisions");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_ask_for_nothing_hold_nobody_up() {
    let server = Running::start(|_| ()).await;
    let ping = frame(PING, 0, 0, &[7; 8]);
    let empty_settings = frame(SETTINGS, 0, 0, &[]);
    let one_more_byte = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    // Depends on stream 0, weight 16, and is about a stream that nobody has opened.
    let priority = frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 15]);
    let unknown = frame(0xfa, 0, 0, b"unknown");
    for (name, one) in [
        ("PING", ping),
        ("SETTINGS", empty_settings),
        ("WINDOW_UPDATE", one_more_byte),
        ("PRIORITY", priority),
        ("a frame of an unknown type", unknown),
    ] {
        // Being cut off is as good.
        flood(&server, name, &one.repeat(MANY)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_nothing_within_a_check_end_the_connection_of_their_sender() {
    let server = Running::start(|_| ()).await;
    let head = frame(HEADERS, END_HEADERS, 1, &check_block());
    let begun = frame(HEADERS, 0, 1, &check_block());
    for (name, first, then) in [
        ("DATA without data", &head, frame(DATA, 0, 1, b"")),
        ("DATA of a byte", &head, frame(DATA, 0, 1, b"\0")),
        (
            "CONTINUATION of nothing",
            &begun,
            frame(CONTINUATION, 0, 1, b""),
        ),
        (
            // `a: b`, as a literal that is not indexed.
            "CONTINUATION of headers",
            &begun,
            frame(CONTINUATION, 0, 1, b"\0\x01a\x01b".repeat(1000).as_slice()),
        ),
    ] {
        let flood_of = [&first[..], &then.repeat(MANY / 10)].concat();
        assert!(!flood(&server, name, &flood_of).await, "{name}");
    }
    assert_eq!(server.count("portcullis_in_flight"), 0);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_its_neighbours_are_not() {
    let server = Running::start(|_| ()).await;
    let many: Vec<_> = (0..20_000)
        .map(|n| (format!("x-{n}"), "v".to_owned()))
        .collect();
    let long = vec![("x".to_owned(), "v".repeat(17_000))];
    for headers in [many, long] {
        let mut request = tonic::Request::new(request("friend"));
        for (name, value) in &headers {
            let name: tonic::metadata::MetadataKey<_> = name.parse().unwrap();
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        let mut hostile = AuthorizationClient::new(client::channel(&server.grpc).await);
        soon(hostile.check(request)).await.unwrap_err();
        soon(client::check(&server.grpc)).await.unwrap();
    }
}
