//! Addresses and framing.

use std::{error::Error as _, os::unix::fs::PermissionsExt as _, path::Path};

use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, authorization_client::AuthorizationClient,
};
use portcullis::{app::listen::Bound, config::ListenAddr};
use prost::Message as _;
use tonic::Code;

use crate::support::{Running, client, config, soon, tcp};

#[tokio::test]
async fn a_check_is_answered_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}/gate.sock", folder.path().display());
    let unique = folder.path().file_name().unwrap().to_string_lossy();
    for listen in [
        "127.0.0.1:0",
        "grpc://localhost:0",
        ":0",
        &unix,
        &format!("unix://@portcullis-{unique}"),
    ] {
        let server = Running::start(|config| config.plugin.addr = listen.parse().unwrap()).await;
        soon(client::check(&server.grpc)).await.expect(listen);
    }
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let first = Running::start(|_| ()).await;
    let taken: ListenAddr = first.grpc.to_string().parse().unwrap();
    let mut grpc = config();
    grpc.plugin.addr = taken.clone();
    let mut admin = config();
    admin.portcullis.admin.addr = taken.clone();
    for (config, port) in [(grpc, "gRPC"), (admin, "admin")] {
        let error = Running::try_start(&config).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("the {port} port cannot be opened")
        );
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), format!("cannot listen on `{taken}`"));
        let kernel = cause.source().unwrap().to_string();
        assert!(kernel.contains("in use"), "{kernel}");
    }
}

#[tokio::test]
async fn a_socket_file_is_open_to_its_group_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    let usual = folder.path().join("usual.sock");
    let _usual = std::os::unix::net::UnixListener::bind(&usual).unwrap();
    let path = folder.path().join("gate.sock");
    let _server =
        Running::start(|config| config.plugin.addr = ListenAddr::Unix(path.clone())).await;
    assert_eq!(mode(&path), mode(&usual) | 0o060);
}

#[tokio::test]
async fn a_socket_file_that_nobody_serves_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = Running::start(|config| config.plugin.addr = ListenAddr::Unix(path.clone())).await;
    client::check(&server.grpc).await.unwrap();
}

#[tokio::test]
async fn a_socket_that_is_served_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.sock");
    let first = Running::start(|config| config.plugin.addr = ListenAddr::Unix(path.clone())).await;
    let mut second = config();
    second.plugin.addr = ListenAddr::Unix(path);
    let error = Running::try_start(&second).await.err().unwrap();
    let cause = error.source().unwrap().to_string();
    assert!(cause.ends_with("another process serves it"), "{cause}");
    client::check(&first.grpc).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.sock");
    std::fs::write(&path, "precious").unwrap();
    let mut config = config();
    config.plugin.addr = ListenAddr::Unix(path.clone());
    let error = Running::try_start(&config).await.err().unwrap();
    let cause = error.source().unwrap().to_string();
    assert!(cause.ends_with("the file there is not a socket"), "{cause}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_message_over_the_limit_is_denied_and_not_a_grpc_error() {
    let server = Running::start(|config| config.plugin.max_recv_msg_size = 1000).await;
    let mut client = AuthorizationClient::new(client::channel(&server.grpc).await);
    for (length, allowed) in [
        (1000, true),
        (1001, false),
        (100_000, false),
        (1_000_000, false),
    ] {
        let request = friend_of(length);
        assert_eq!(request.encoded_len(), length);
        let response = soon(client.check(request)).await.unwrap().into_inner();
        assert_eq!(client::allows(&response), allowed, "{length} bytes");
    }
}

/// A check of `length` bytes that the policy allows.
fn friend_of(length: usize) -> CheckRequest {
    let named = |padding: usize| client::request(format!("friend{}", "x".repeat(padding)));
    let frame = named(length).encoded_len().abs_diff(length);
    named(length.abs_diff(frame))
}

#[tokio::test]
async fn a_stream_without_a_readable_message_is_denied_and_not_a_grpc_error() {
    let server = Running::start(|_| ()).await;
    let stream = tokio::net::TcpStream::connect(tcp(&server.grpc))
        .await
        .unwrap();
    let (mut h2, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for sent in [
        &[][..],
        &[0, 0, 0],
        &[0, 0, 0, 0, 9, 1],
        &[1, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 0, 1, 0x0a],
    ] {
        let (response, mut body) = h2.send_request(check(), false).unwrap();
        body.send_data(sent.to_vec().into(), true).unwrap();
        let mut body = soon(response).await.unwrap().into_body();
        let mut framed = Vec::new();
        while let Some(data) = soon(body.data()).await {
            framed.extend(data.unwrap());
        }
        let trailers = soon(body.trailers()).await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0", "{sent:?}");
        let answer = CheckResponse::decode(&framed[5..]).unwrap();
        assert_ne!(answer.status.unwrap().code, 0, "{sent:?}");
    }
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let server = Running::start(|_| ()).await;
    let mut grpc = tonic::client::Grpc::new(client::channel(&server.grpc).await);
    for path in [
        "/envoy.service.auth.v3.Authorization/Other",
        "/envoy.service.auth.v2.Authorization/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/",
    ] {
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<CheckRequest, CheckRequest>::default();
        let request = tonic::Request::new(CheckRequest::default());
        let status = grpc
            .unary(request, path.parse().unwrap(), codec)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_grpc_is_refused_by_its_media_type() {
    let server = Running::start(|_| ()).await;
    let stream = tokio::net::TcpStream::connect(tcp(&server.grpc))
        .await
        .unwrap();
    let (mut h2, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (content_type, status) in [("application/json", 415), ("application/grpc+proto", 200)] {
        let request = http::Request::post("http://h/envoy.service.auth.v3.Authorization/Check")
            .header("content-type", content_type)
            .body(())
            .unwrap();
        let (response, mut body) = h2.send_request(request, false).unwrap();
        body.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
        let response = soon(response).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{content_type}");
    }
    // Only the other was a call.
    let calls = r#"grpc_type="unary",grpc_service="envoy.service.auth.v3.Authorization",grpc_method="Check""#;
    assert_eq!(
        server.count(&format!("grpc_server_started_total{{{calls}}}")),
        1
    );
}

fn check() -> http::Request<()> {
    let request = http::Request::post("http://h/envoy.service.auth.v3.Authorization/Check")
        .header("content-type", "application/grpc");
    request.body(()).unwrap()
}

#[tokio::test]
async fn a_socket_file_is_removed_after_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.sock");
    let server = Running::start(|config| config.plugin.addr = ListenAddr::Unix(path.clone())).await;
    assert_eq!(server.grpc, Bound::Unix(path.clone()));
    server.stop.graceful();
    server.stopped().await;
    assert!(!path.exists());
}
