//! CPU a check under a closed loop: portcullis deciding the published skeleton beside a tonic server
//! that only decodes the typed `CheckRequest` and answers OK, one after the other in each round.

use envoy_types::{
    ext_authz::v3::pb::{Authorization, AuthorizationServer},
    pb::envoy::service::auth::v3::{CheckRequest, CheckResponse},
    pb::google::rpc,
};
use serde_json::json;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport};

use crate::{
    client::{CONNECTIONS, STREAMS, connect, drive, recorded, runtime},
    server::Server,
};

/// The argument that makes this process the server beside.
pub(crate) const SERVE: &str = "--serve-typed";

const REQUESTS: u32 = 40_000;
const ROUNDS: usize = 7;

/// The skeleton as it is published; it allows what was recorded.
pub(crate) const SKELETON: &str = r#"package envoy.authz
default allow := false
allow if {
  input.attributes.source.principal == "spiffe://cluster.local/ns/foo/sa/sleep"
  claims := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields
  claims["num"] == 7
}
"#;

/// Measures both servers in turn and prints the pairs and their median.
pub(crate) fn measure(brief: bool) {
    println!("server CPU a request; one core for the server, one for the load");
    let (requests, rounds) = if brief { (128, 1) } else { (REQUESTS, ROUNDS) };
    for streams in STREAMS {
        println!(
            "{CONNECTIONS} connections, {streams} in flight on each, {requests} requests a round"
        );
        let mut pairs: Vec<(f64, f64)> = (1..=rounds)
            .map(|round| {
                let ours = Server::portcullis(SKELETON, &json!({}));
                let ours = cpu_a_request(&ours, streams, requests);
                let typed = cpu_a_request(&Server::own(SERVE), streams, requests);
                show(&format!("round {round}"), ours, typed);
                (ours, typed)
            })
            .collect();
        pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let (ours, typed) = pairs[pairs.len() / 2];
        show("median", ours, typed);
    }
}

fn show(what: &str, ours: f64, typed: f64) {
    let ratio = ours / typed;
    println!(
        "  {what:<8} portcullis {ours:>6.2} µs   typed no-op {typed:>6.2} µs   ratio {ratio:.2}"
    );
}

/// In microseconds, once warm.
fn cpu_a_request(server: &Server, streams: usize, requests: u32) -> f64 {
    runtime().block_on(async {
        let connections = connect(server.port()).await;
        let request = recorded();
        drive(&connections, streams, &request, requests / 8).await;
        let before = server.cpu();
        let answers = drive(&connections, streams, &request, requests).await;
        let used = server.cpu() - before;
        used * 1e6 / f64::from(u32::try_from(answers.len()).unwrap())
    })
}

/// What everybody writes: the generated service, the typed request, an OK.
struct Typed;

#[tonic::async_trait]
impl Authorization for Typed {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        assert!(request.into_inner().attributes.is_some());
        Ok(Response::new(CheckResponse {
            status: Some(rpc::Status::default()),
            ..CheckResponse::default()
        }))
    }
}

/// Serves [`Typed`] until the process ends.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        eprintln!(
            "{{\"grpc.address\":\"{}\"}}",
            listener.local_addr().unwrap()
        );
        transport::Server::builder()
            .tcp_nodelay(true)
            .add_service(AuthorizationServer::new(Typed))
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .unwrap();
    });
}
