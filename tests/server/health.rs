//! `portcullis health` as a container's health check runs it: exit code, one line, in time.

use std::{
    fs,
    net::TcpListener,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::process::Command;

use crate::support::{
    Running,
    certificates::{self, Authority},
    soon, tcp,
};

/// Exit code, standard output, standard error.
type Told = (i32, String, String);

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .arg("health")
        .args(arguments)
        .env_remove("PORTCULLIS_HEALTH_ADDR")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn run(mut command: Command) -> Told {
    let Output {
        status,
        stdout,
        stderr,
    } = soon(command.output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Patient: tests compete for two cores.
async fn health(arguments: &[&str]) -> Told {
    run(command(&[&["--timeout", "15s"], arguments].concat())).await
}

fn serving() -> Told {
    (0, "SERVING\n".to_owned(), String::new())
}

fn failed(text: &str) -> Told {
    (1, String::new(), format!("error: {text}\n"))
}

#[tokio::test]
async fn a_gate_that_serves_is_well_and_one_that_is_not_ready_or_drains_is_not() {
    let server = Running::start(|_| ()).await;
    let address = server.grpc.to_string();
    let not_serving = failed(&format!("the gate at `{address}` is NOT_SERVING"));
    for service in ["", "envoy.service.auth.v3.Authorization"] {
        let arguments = ["--addr", &address, "--service", service];
        assert_eq!(health(&arguments).await, serving(), "`{service}`");
    }
    let pending = server.ready.register("bundle:main");
    assert_eq!(health(&["--addr", &address]).await, not_serving);
    pending.done();
    assert_eq!(health(&["--addr", &address]).await, serving());
    server.ready.drain();
    assert_eq!(health(&["--addr", &address]).await, not_serving);
}

#[tokio::test]
async fn a_service_that_the_gate_does_not_have_is_not_well() {
    let server = Running::start(|_| ()).await;
    let address = server.grpc.to_string();
    let told = health(&["--addr", &address, "--service", "other.Service"]).await;
    let text = format!("the gate at `{address}` has no service `other.Service`");
    assert_eq!(told, failed(&text));
}

#[tokio::test]
async fn it_reaches_sockets_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("unix://{}/gate.sock", folder.path().display());
    let unique = folder.path().file_name().unwrap().to_string_lossy();
    for listen in [&path, &format!("unix://@health-{unique}")] {
        let server = Running::start(|config| config.plugin.addr = listen.parse().unwrap()).await;
        assert_eq!(health(&["--addr", listen]).await, serving(), "{listen}");
        server.ready.drain();
        assert_eq!(health(&["--addr", listen]).await.0, 1, "{listen}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_apart_from_somebody_else() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    for address in [
        &address,
        "unix:///nowhere/gate.sock",
        "unix://@nobody-is-here",
    ] {
        let (code, out, err) = health(&["--addr", address]).await;
        assert_eq!((code, &*out), (1, ""), "{address}");
        let start = format!("error: cannot reach a gate at `{address}`: ");
        assert!(err.starts_with(&start), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    let server = Running::start(|_| ()).await;
    let (code, _, err) = health(&["--addr", &server.admin.to_string()]).await;
    assert_eq!(code, 1);
    assert!(err.contains("does not answer"), "{err}");
}

#[tokio::test]
async fn a_gate_that_hangs_is_given_up_in_time() {
    // The kernel accepts; nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let told = run(command(&["--addr", &address, "--timeout", "50ms"])).await;
    let text = format!("the gate at `{address}` has not answered within 50ms");
    assert_eq!(told, failed(&text));
}

#[tokio::test]
async fn the_address_comes_from_the_configuration_or_the_variable() {
    let server = Running::start(|_| ()).await;
    let address = server.grpc.to_string();
    let port = tcp(&server.grpc).port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let every_interface = format!("plugins: {{envoy_ext_authz_grpc: {{addr: ':{port}'}}}}");
    fs::write(&file, every_interface).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(health(&["-c", file]).await, serving());

    let set = format!("plugins.envoy_ext_authz_grpc.addr={address}");
    let mut with_variable = command(&["--timeout", "15s", "--set", &set]);
    assert_eq!(health(&["--set", &set]).await, serving());
    // The variable goes before the configuration, and an argument before both.
    with_variable.env("PORTCULLIS_HEALTH_ADDR", "unix:///nowhere/gate.sock");
    assert_eq!(run(with_variable).await.0, 1);
    let mut with_variable = command(&["--timeout", "15s", "--addr", &address]);
    with_variable.env("PORTCULLIS_HEALTH_ADDR", "unix:///nowhere/gate.sock");
    assert_eq!(run(with_variable).await, serving());
    let mut with_variable = command(&["--timeout", "15s"]);
    with_variable.env("PORTCULLIS_HEALTH_ADDR", &address);
    assert_eq!(run(with_variable).await, serving());

    server.ready.drain();
    assert_eq!(health(&["-c", file]).await.0, 1);
}

#[tokio::test]
async fn tls_is_spoken_where_it_is_asked_for_and_the_gate_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let tls = certificates::tls(folder.path(), Some(&authority));
    let server = Running::start(|config| config.portcullis.tls = Some(tls)).await;
    let address = format!("127.0.0.1:{}", tcp(&server.grpc).port());
    let ours = tempfile::tempdir().unwrap();
    authority
        .workload("spiffe://cluster.local/ns/authz/sa/gate")
        .write(ours.path());
    let path = |name: &str| ours.path().join(name).to_str().unwrap().to_owned();
    fs::write(ours.path().join("ca.crt"), authority.pem()).unwrap();
    fs::write(ours.path().join("other.crt"), Authority::new("other").pem()).unwrap();
    let (ca, other) = (path("ca.crt"), path("other.crt"));
    let (certificate, key) = (path("tls.crt"), path("tls.key"));
    let identity = ["--tls-cert", &certificate, "--tls-key", &key];
    let name = ["--addr", &address, "--tls-server-name", "localhost"];
    let arguments = |ca| [name.as_slice(), &["--tls-ca", ca], &identity].concat();
    assert_eq!(health(&arguments(&ca)).await, serving());
    assert_eq!(health(&arguments(&other)).await.0, 1);
    // Without a certificate of ours, and without TLS.
    assert_eq!(
        health(&[name.as_slice(), &["--tls-ca", &ca]].concat())
            .await
            .0,
        1
    );
    assert_eq!(health(&["--addr", &address]).await.0, 1);
}

#[tokio::test]
async fn what_cannot_be_asked_is_a_usage_error() {
    let with_tls = [
        "--set",
        "portcullis.tls.cert_file=/tls.crt,portcullis.tls.key_file=/tls.key",
    ];
    for (arguments, want) in [
        (&["--addr", "9191"][..], "`9191` is not `host:port`"),
        (&["--timeout", "0s"][..], "write a number and one of"),
        (&["--tls-ca", "/nowhere"][..], "cannot read `/nowhere`"),
        (&["-c", "/nowhere.yaml"][..], "/nowhere.yaml"),
        (&with_tls, "say with `--tls-ca` whom to trust"),
    ] {
        let (code, out, err) = run(command(arguments)).await;
        assert_eq!((code, &*out), (64, ""), "{arguments:?}: {err}");
        assert!(err.contains(want), "{arguments:?}: {err}");
    }
    let within = Duration::from_secs(1);
    let (_, help, _) = run(command(&["--help"])).await;
    assert!(help.contains(&format!("[default: {within:?}]")), "{help}");
}
