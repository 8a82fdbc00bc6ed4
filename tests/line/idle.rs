//! Ten thousand connections that are open and idle.

use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::transport::Channel;

use crate::{
    failures::code,
    process::Process,
    requests,
    server::{check, connect, soon},
};

const POLICY: &str = r#"package envoy.authz

default allow := false

allow if input.parsed_path[0] == "open"
"#;

/// What the issue asks for.
const WANTED: usize = 10_000;
/// Files that the other tests of this process may have open.
const OTHERS: u64 = 4_000;
/// What one idle connection may hold; about 36 KiB, of which 24 are the buffers of the HTTP/2 library.
const KIB_EACH: u64 = 64;

/// As many connections as this process may open, and its children with it; at most as wanted.
fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Where the hard limit is not to be had, the soft one decides.
    setrlimit(Resource::Nofile, raised).ok();
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fit = files.saturating_sub(OTHERS);
    usize::try_from(fit).map_or(WANTED, |fit| fit.min(WANTED))
}

/// A connection that has spoken: it has read the server's SETTINGS, and says nothing more.
async fn idle(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "SETTINGS");
    stream
}

async fn is_answered(channel: &Channel) {
    for (path, expected) in [("/open", 0), ("/closed", 7)] {
        let answer = check(channel, &requests::path(path), None).await.unwrap();
        assert_eq!(code(&answer), expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_hold_little_memory_and_nobody_up() {
    let count = connections();
    if count < WANTED {
        println!("only {count} connections: the limit of open files allows no more");
    }
    assert!(
        count >= 500,
        "the limit of open files is too low to show anything"
    );
    let process = Process::start(
        POLICY,
        &[
            "portcullis.http2.max_connections=20000",
            // Who is probed has to answer; these only listen.
            "portcullis.http2.keepalive_interval=1h",
        ],
    );
    let channel = connect(process.grpc()).await;
    is_answered(&channel).await;
    let before = process.memory();
    let mut open = Vec::with_capacity(count);
    for n in 0..count {
        open.push(soon(idle(process.grpc())).await);
        if n % 500 == 0 {
            is_answered(&channel).await;
        }
    }
    is_answered(&channel).await;
    is_answered(&connect(process.grpc()).await).await;
    let grown = process.memory().saturating_sub(before);
    let each = grown / u64::try_from(count).unwrap();
    println!("{grown} KiB for {count} connections, {each} KiB each");
    assert!(
        each <= KIB_EACH,
        "{each} KiB for each of {count} connections"
    );
    // Every one of them is still there.
    for stream in &open {
        let read = stream.try_read(&mut [0; 64]);
        assert!(!matches!(read, Ok(0)), "a connection was closed");
    }
}
