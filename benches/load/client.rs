//! The load: checks as an Envoy sends them, and what they are answered.

use std::{
    fs, iter,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::{CheckResponse, check_response::HttpResponse};
use http::uri::PathAndQuery;
use portcullis::app::raw::Raw;
use prost::Message;
use tonic::{Request, client::Grpc, transport::Channel};

/// How many connections each load has, which is how many proxies.
pub(crate) const CONNECTIONS: usize = 4;
/// Checks in flight on one connection: one, and as a busy Envoy has them.
pub(crate) const STREAMS: [usize; 2] = [1, 16];

/// What a check says that lets its request through.
pub(crate) const ALLOWED: i32 = 200;

/// The runtime of a load: this thread.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A request of Envoy with everything switched on, as it was recorded.
pub(crate) fn recorded() -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/captures/rich-headers-mtls-jwt-sni.pb");
    fs::read(path).unwrap().into()
}

/// [`CONNECTIONS`] to the server at `port`.
pub(crate) async fn connect(port: u16) -> Vec<Channel> {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let uri = format!("http://127.0.0.1:{port}");
        channels.push(Channel::from_shared(uri).unwrap().connect().await.unwrap());
    }
    channels
}

/// The HTTP status that the answer to this check stands for.
pub(crate) async fn check(channel: Channel, request: Bytes) -> i32 {
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/envoy.service.auth.v3.Authorization/Check");
    let answer = client.unary(Request::new(request), path, Raw).await;
    let answer = CheckResponse::decode(answer.unwrap().into_inner()).unwrap();
    if answer.status.is_some_and(|status| status.code == 0) {
        return ALLOWED;
    }
    // Envoy answers 403 unless it is told otherwise.
    match answer.http_response {
        None => 403,
        Some(HttpResponse::DeniedResponse(denied)) => denied.status.unwrap().code,
        Some(HttpResponse::OkResponse(_) | HttpResponse::ErrorResponse(_)) => {
            panic!("neither allowed nor denied")
        }
    }
}

/// A closed loop: one check after the other by each of `streams` clients on each connection, which all
/// must be allowed. Returns how long each took.
pub(crate) async fn drive(
    connections: &[Channel],
    streams: usize,
    request: &Bytes,
    requests: u32,
) -> Vec<Duration> {
    let clients = connections.len() * streams;
    let each = requests / u32::try_from(clients).unwrap();
    let clients = connections
        .iter()
        .flat_map(|channel| iter::repeat_n(channel, streams));
    let loops = clients.map(|channel| async move {
        let mut latencies = Vec::new();
        for _ in 0..each {
            let began = Instant::now();
            let status = check(channel.clone(), request.clone()).await;
            latencies.push(began.elapsed());
            assert_eq!(status, ALLOWED, "the request was not allowed");
        }
        latencies
    });
    futures_util::future::join_all(loops).await.concat()
}
