//! A log that cannot be written: checks are answered as before, and the process stays.

use std::{fs::OpenOptions, path::Path};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

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

/// Every check has a line.
const LOUD: &str = "portcullis.log.level=debug";
const AT_ONCE: &str = "portcullis.shutdown.grace=0s";

/// Both twins, many times.
async fn is_answered(channel: &Channel) {
    for _ in 0..100 {
        for (path, expected) in [("/open", 0), ("/closed", 7)] {
            let answer = check(channel, &requests::path(path), None).await.unwrap();
            assert_eq!(code(&answer), expected, "{path}: {answer:?}");
        }
    }
}

/// Connects to a socket as soon as somebody serves it: a process that cannot speak cannot say when.
async fn connect_unix(path: &Path) -> Channel {
    let path = path.to_owned();
    soon(async {
        while UnixStream::connect(&path).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    soon(endpoint.connect_with_connector(connector))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_log_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("gate.sock");
    let address = format!(
        "plugins.envoy_ext_authz_grpc.addr=unix://{}",
        socket.display()
    );
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut process = Process::spawn(POLICY, &[&address, LOUD, AT_ONCE], full.into());
    let channel = connect_unix(&socket).await;
    is_answered(&channel).await;
    drop(channel);
    assert!(process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_any_more_changes_no_answer() {
    let mut process = Process::start_and_hang_up(POLICY, &[LOUD, AT_ONCE]);
    let channel = connect(process.grpc()).await;
    is_answered(&channel).await;
    drop(channel);
    assert!(process.stop().success());
}
