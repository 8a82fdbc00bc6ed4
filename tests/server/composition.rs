//! The composition: from a configuration and policy files to a server, and what it shows.

use std::{fs, path::Path};

use portcullis::{
    app::{
        Stopped,
        build::{BuildError, build},
    },
    config::Config,
    shutdown,
    sources::file::Files,
};
use serde_json::Value;

use crate::support::{POLICY, client, config, soon, tcp};

fn files(path: &Path) -> Files {
    let mut files = Files::new(&[]).unwrap();
    files.add_path(path.to_str().unwrap()).unwrap();
    files
}

#[tokio::test]
async fn a_server_decides_by_the_files_and_shows_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("friends.rego"), POLICY).unwrap();
    let running = build(&config(), files(folder.path())).await.unwrap();
    let (grpc, admin) = (running.bound().grpc().clone(), tcp(running.bound().admin()));
    let (stop, stopping) = shutdown::channel();
    let serving = tokio::spawn(running.run(stopping));
    soon(client::check(&grpc)).await.unwrap();

    let get = async |path| soon(client::get(admin, path)).await;
    assert_eq!(get("/readyz").await.0, 200);
    assert_eq!(get("/health?bundles&plugins").await.0, 200);
    let (_, _, metrics) = get("/metrics").await;
    for sample in [
        "portcullis_connections_accepted_total 1\n",
        "portcullis_checks_total{outcome=\"allowed\",reason=\"policy\"} 1\n",
        "portcullis_checks_total{outcome=\"denied\",reason=\"policy\"} 1\n",
        "portcullis_policy_activations_total{result=\"success\"} 1\n",
    ] {
        assert!(metrics.contains(sample), "no {sample} in\n{metrics}");
    }
    let policy: Value = serde_json::from_str(&get("/policy").await.2).unwrap();
    assert_eq!(policy["active"], true);
    assert_eq!(policy["reads"][0], "input.attributes.source.service");

    stop.graceful();
    assert_eq!(soon(serving).await.unwrap(), Stopped::Drained);
}

#[tokio::test]
async fn a_changed_file_is_followed_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("friends.rego");
    fs::write(&file, POLICY).unwrap();
    let mut config = config();
    config.portcullis.watch = true;
    let running = build(&config, files(folder.path())).await.unwrap();
    let (grpc, admin) = (running.bound().grpc().clone(), tcp(running.bound().admin()));
    let (_stop, stopping) = shutdown::channel();
    let _serving = tokio::spawn(running.run(stopping));

    fs::write(&file, "package envoy.authz\n\nallow := {{").unwrap();
    let broken = async {
        while policy(admin).await["last_error"].is_null() {
            tokio::task::yield_now().await;
        }
    };
    soon(broken).await;
    soon(client::check(&grpc)).await.unwrap();

    fs::write(&file, "package envoy.authz\n\nallow := false").unwrap();
    let replaced = async { while client::check(&grpc).await.is_ok() {} };
    soon(replaced).await;
    assert!(policy(admin).await["last_error"].is_null());
}

async fn policy(admin: std::net::SocketAddr) -> Value {
    serde_json::from_str(&client::get(admin, "/policy").await.2).unwrap()
}

#[tokio::test]
async fn a_policy_that_does_not_compile_opens_no_port() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("broken.rego"),
        "package envoy.authz\nallow := {{",
    )
    .unwrap();
    let mut config: Config = config();
    let socket = folder.path().join("gate.sock");
    config.plugin.addr = format!("unix://{}", socket.display()).parse().unwrap();
    let failed = build(&config, files(&folder.path().join("broken.rego"))).await;
    assert!(matches!(failed, Err(BuildError::Policy(_))), "{failed:?}");
    assert!(!socket.exists());
}
