//! CPU a request, server side, under a closed loop on one core: portcullis deciding the published
//! skeleton beside a tonic server that only decodes the typed `CheckRequest` and answers OK.
//!
//! `cargo bench --bench load` runs both as processes of one worker thread, one after the other in
//! each round, and prints user + system time over requests answered and the median ratio. Loopback
//! only, bounded in count. Every answer is checked.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement fails by panicking and prints what it found"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use envoy_types::{
    ext_authz::v3::pb::{Authorization, AuthorizationServer},
    pb::envoy::service::auth::v3::{CheckRequest, CheckResponse},
    pb::google::rpc,
};
use portcullis::app::raw::Raw;
use prost::Message;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    client::Grpc,
    transport::{Channel, Server},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 4;
/// Checks in flight on one connection: one, and as a busy Envoy has them.
const STREAMS: [usize; 2] = [1, 16];
const REQUESTS: u32 = 40_000;
const WARM_UP: u32 = 5_000;
const ROUNDS: usize = 7;

const SKELETON: &str = r#"package envoy.authz
default allow := false
allow if {
  input.attributes.source.principal == "spiffe://cluster.local/ns/foo/sa/sleep"
  claims := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields
  claims["num"] == 7
}
"#;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|a| a == "--serve-typed") {
        return serve_typed();
    }
    if arguments.iter().any(|a| a == "--test") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.rego"), SKELETON).unwrap();
    println!("server CPU a request; one core for the server, one for the load");
    for streams in STREAMS {
        compare(folder.path(), streams);
    }
}

/// Measures both servers in turn and prints the pairs and their median.
fn compare(policy: &Path, streams: usize) {
    println!("{CONNECTIONS} connections, {streams} in flight on each, {REQUESTS} requests a round");
    let mut rounds: Vec<(f64, f64)> = (1..=ROUNDS)
        .map(|round| {
            let ours = measure(&mut portcullis(policy), streams);
            let typed = measure(&mut typed(), streams);
            show(&format!("round {round}"), ours, typed);
            (ours, typed)
        })
        .collect();
    rounds.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (ours, typed) = rounds[ROUNDS / 2];
    show("median", ours, typed);
}

fn show(what: &str, ours: f64, typed: f64) {
    let ratio = ours / typed;
    println!(
        "  {what:<8} portcullis {ours:>6.2} µs   typed no-op {typed:>6.2} µs   ratio {ratio:.2}"
    );
}

/// A server process pinned to the first core, and the port it serves.
struct Subject {
    child: Child,
    port: u16,
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn portcullis(policy: &Path) -> Subject {
    let mut command = pinned(PathBuf::from(env!("CARGO_BIN_EXE_portcullis")));
    command
        .arg("run")
        .args(["--set", "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0"])
        .args(["--set", "portcullis.admin.addr=127.0.0.1:0"])
        // Long enough that a busy machine changes no answer.
        .args(["--set", "portcullis.budget=10s", "--log-format", "json"])
        .arg(policy)
        .env("TOKIO_WORKER_THREADS", "1");
    started(command)
}

fn typed() -> Subject {
    let mut command = pinned(std::env::current_exe().unwrap());
    command.arg("--serve-typed");
    started(command)
}

fn pinned(program: PathBuf) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

/// Waits for the line that names the address: `"grpc.address":"127.0.0.1:PORT"`.
fn started(mut command: Command) -> Subject {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let port = lines
        .find_map(|line| {
            let line = line.unwrap();
            let at = line.split("\"grpc.address\":\"").nth(1)?;
            at.split('"').next()?.rsplit_once(':')?.1.parse().ok()
        })
        .expect("the server did not say where it serves");
    std::thread::spawn(move || lines.for_each(drop));
    Subject { child, port }
}

/// Microseconds of server CPU a request.
fn measure(subject: &mut Subject, streams: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let uri = format!("http://127.0.0.1:{}", subject.port);
            let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();
            clients.extend(std::iter::repeat_n(channel, streams));
        }
        drive(&clients, WARM_UP).await;
        let before = cpu_seconds(subject.child.id());
        drive(&clients, REQUESTS).await;
        let used = cpu_seconds(subject.child.id()) - before;
        used * 1e6 / f64::from(REQUESTS)
    })
}

/// One request after the other by each client.
async fn drive(clients: &[Channel], requests: u32) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/captures/rich-headers-mtls-jwt-sni.pb");
    let request = Bytes::from(fs::read(path).unwrap());
    let each = requests / u32::try_from(clients.len()).unwrap();
    let loops = clients.iter().map(|channel| {
        let request = request.clone();
        let mut client = Grpc::new(channel.clone());
        async move {
            for _ in 0..each {
                client.ready().await.unwrap();
                let path = "/envoy.service.auth.v3.Authorization/Check"
                    .parse()
                    .unwrap();
                let answer = client
                    .unary(Request::new(request.clone()), path, Raw)
                    .await
                    .unwrap()
                    .into_inner();
                let answer = CheckResponse::decode(answer).unwrap();
                assert_eq!(
                    answer.status.map(|s| s.code),
                    Some(0),
                    "the request was not allowed"
                );
            }
        }
    });
    futures_util::future::join_all(loops).await;
}

/// Time on a CPU so far, of all threads of a process (first field of each `schedstat`).
fn cpu_seconds(pid: u32) -> f64 {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let text = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        nanoseconds += text.split(' ').next().unwrap().parse::<f64>().unwrap();
    }
    nanoseconds / 1e9
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

fn serve_typed() {
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
        Server::builder()
            .tcp_nodelay(true)
            .add_service(AuthorizationServer::new(Typed))
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .unwrap();
    });
}
