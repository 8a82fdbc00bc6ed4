//! Check calls as gRPC counts them: whatever an answer says, the call was `OK`.

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use portcullis::response::OnError;

use crate::support::{
    Running,
    client::{self, request},
    soon,
    wire::{CANCEL, DATA, END_HEADERS, HEADERS, PING, RST_STREAM, Wire, check_block, frame},
};

const METHOD: &str =
    r#"grpc_type="unary",grpc_service="envoy.service.auth.v3.Authorization",grpc_method="Check""#;
const CODES: [&str; 4] = ["OK", "Canceled", "Unavailable", "Internal"];

fn handled(code: &str) -> String {
    format!("grpc_server_handled_total{{{METHOD},grpc_code=\"{code}\"}}")
}

/// Waits until so many calls have ended with each of [`CODES`], and no other has begun.
async fn ended(server: &Running, expected: [u64; 4]) {
    for (code, expected) in CODES.into_iter().zip(expected) {
        server.reaches(&handled(code), expected).await;
    }
    let all = expected.iter().sum::<u64>();
    let started = format!("grpc_server_started_total{{{METHOD}}}");
    assert_eq!(server.count(&started), all);
    let took = format!("grpc_server_handling_seconds_count{{{METHOD}}}");
    assert_eq!(server.count(&took), all);
}

async fn ask(server: &Running, service: &str) -> Result<bool, tonic::Code> {
    let mut client = AuthorizationClient::new(client::channel(&server.grpc).await);
    let answer = soon(client.check(request(service))).await;
    let answer = answer.map_err(|status| status.code())?;
    Ok(client::allows(answer.get_ref()))
}

#[tokio::test]
async fn every_answer_is_ok_whatever_it_says() {
    let server = Running::start(|config| config.plugin.max_recv_msg_size = 1000).await;
    ended(&server, [0; 4]).await;
    assert_eq!(ask(&server, "friend").await, Ok(true));
    assert_eq!(ask(&server, "stranger").await, Ok(false));
    assert_eq!(ask(&server, &"friend".repeat(1000)).await, Ok(false));
    ended(&server, [3, 0, 0, 0]).await;
}

#[tokio::test]
async fn an_error_that_is_left_to_the_proxy_has_its_code() {
    let server = Running::start(|config| {
        config.portcullis.admission.max_in_flight = 0;
        config.portcullis.on_error = OnError::GrpcError;
    })
    .await;
    assert_eq!(ask(&server, "friend").await, Err(tonic::Code::Unavailable));
    ended(&server, [0, 0, 1, 0]).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_before_its_answer_has_canceled() {
    let server = Running::start(|_| ()).await;
    let mut wire = Wire::connect(&server.grpc, &[]).await;
    let mut begun = frame(HEADERS, END_HEADERS, 1, &check_block());
    begun.extend(frame(DATA, 0, 1, &[0, 0, 0]));
    wire.send(&begun).await.unwrap();
    server
        .reaches(&format!("grpc_server_started_total{{{METHOD}}}"), 1)
        .await;
    let reset = frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    wire.send(&reset).await.unwrap();
    ended(&server, [0, 1, 0, 0]).await;

    // With its connection, too.
    let mut begun = frame(HEADERS, END_HEADERS, 3, &check_block());
    begun.extend(frame(PING, 0, 0, &[0; 8]));
    wire.send(&begun).await.unwrap();
    server
        .reaches(&format!("grpc_server_started_total{{{METHOD}}}"), 2)
        .await;
    drop(wire);
    ended(&server, [0, 2, 0, 0]).await;
}
