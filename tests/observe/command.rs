//! `portcullis observe` as people and scripts meet it.

use std::process::{Output, Stdio};

use portcullis::app::Stopped;
use regex::Regex;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::{
    certificates::{self, Authority},
    gate::{Gate, request, soon, tcp},
};

fn observe(server: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(["observe", "--server", server])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(server: &str, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = soon(observe(server, arguments).output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// What differs from run to run, as long as it was.
fn stable(text: &str) -> String {
    let replaced = |text: &str, pattern: &str, by: &str| {
        Regex::new(pattern)
            .unwrap()
            .replace_all(text, by)
            .into_owned()
    };
    let text = replaced(
        text,
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        "2026-01-31T12:00:00.000Z",
    );
    let text = replaced(
        &text,
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "00000000-0000-4000-8000-000000000000",
    );
    let text = replaced(&text, r#""duration_us":\d+"#, r#""duration_us":0"#);
    let text = replaced(&text, r"\b\d+us +", "0us       ");
    replaced(&text, r"(sha256:)[0-9a-f]+\b", "${1}0123456789ab")
}

async fn gate() -> Gate {
    let mut gate = Gate::start(|_| ()).await;
    gate.made(vec![
        request("cart", "api.example.org", "/open/1?token=secret"),
        request("cart", "api.example.org", "/closed/\u{1b}[2J"),
        request("mail", "www.example.org", "/closed/3"),
    ])
    .await;
    gate
}

#[tokio::test]
async fn each_output_shows_the_newest_decisions_and_ends() {
    let gate = gate().await;
    for output in ["table", "wide", "json"] {
        let (code, out, err) = run(&gate.address(), &["-o", output]).await;
        assert_eq!((code, &*err), (0, ""), "{output}");
        insta::assert_snapshot!(format!("observe-{output}"), stable(&out));
    }
}

#[tokio::test]
async fn arguments_say_which_decisions() {
    let gate = gate().await;
    for (arguments, want) in [
        (&["--denied"][..], 2),
        (&["--allowed"][..], 1),
        (&["--allowed", "--denied"][..], 3),
        (&["--error"][..], 0),
        (&["--outcome", "allowed,error"][..], 1),
        (&["--caller", "shop/mail"][..], 1),
        (&["--caller", "shop/*"][..], 3),
        (&["--path", "/closed/*"][..], 2),
        (&["--path", "/closed"][..], 0),
        (&["--host", "www.*"][..], 1),
        (&["--reason", "policy"][..], 3),
        (&["--reason", "budget,token"][..], 0),
        (&["--last", "1"][..], 1),
        (&["--since", "1h"][..], 3),
        (&["--since", "2200-01-01T00:00:00Z"][..], 0),
        (&["--denied", "--host", "api.*"][..], 1),
    ] {
        let arguments = [arguments, &["-o", "json"]].concat();
        let (code, out, err) = run(&gate.address(), &arguments).await;
        assert_eq!(
            (code, out.lines().count()),
            (0, want),
            "{arguments:?}: {err}"
        );
    }
}

struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    /// Begins once what there is was shown.
    async fn start(gate: &Gate) -> Self {
        let mut child = observe(&gate.address(), &["-f", "--last", "1", "-o", "json"])
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut following = Self { child, lines };
        assert!(following.line().await.contains("/closed/3"));
        following
    }

    async fn line(&mut self) -> String {
        soon(self.lines.next_line()).await.unwrap().unwrap()
    }

    async fn end(mut self) -> (i32, String) {
        // Standard output is read until the end first: nobody else keeps it open.
        while soon(self.lines.next_line()).await.unwrap().is_some() {}
        let done = soon(self.child.wait_with_output()).await.unwrap();
        (
            done.status.code().unwrap(),
            String::from_utf8(done.stderr).unwrap(),
        )
    }
}

#[tokio::test]
async fn it_follows_until_it_is_interrupted_and_that_is_success() {
    let mut gate = gate().await;
    let mut following = Following::start(&gate).await;
    gate.ask(request("cart", "a", "/open/9")).await;
    assert!(following.line().await.contains("/open/9"));
    let id = following.child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().await;
    assert!(sent.unwrap().success());
    assert_eq!(following.end().await, (0, String::new()));
}

#[tokio::test]
async fn a_gate_that_stops_is_an_error_that_says_so() {
    let gate = gate().await;
    let following = Following::start(&gate).await;
    let address = gate.address();
    gate.stop.graceful();
    assert_eq!(gate.stopped().await, Stopped::Drained);
    let told = format!("error: the gate at `{address}` is gone: the gate is stopping\n");
    assert_eq!(following.end().await, (1, told));
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let mut gate = gate().await;
    let Following { mut child, lines } = Following::start(&gate).await;
    drop(lines);
    gate.ask(request("cart", "a", "/open/9")).await;
    let code = soon(child.wait()).await.unwrap().code();
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn what_cannot_be_reached_or_understood_is_told_apart() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let (code, out, err) = run(&address, &[]).await;
    assert_eq!((code, &*out), (1, ""));
    assert!(
        err.starts_with(&format!("error: cannot reach a gate at `{address}`")),
        "{err}"
    );
    for arguments in [
        &["--reason", "bad"][..],
        &["--outcome", "maybe"][..],
        &["--since", "yesterday"][..],
        &["--tls-cert", "x"][..],
        &["--tls-ca", "/nowhere"][..],
    ] {
        assert_eq!(run(&address, arguments).await.0, 64, "{arguments:?}");
    }
    assert_eq!(run("unix://@name", &[]).await.0, 64);
}

#[tokio::test]
async fn it_comes_with_tls_and_a_certificate_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let ours = tempfile::tempdir().unwrap();
    let authority = Authority::new("mesh");
    authority.server().write(folder.path());
    let gate = Gate::start(|config| {
        let mut tls = certificates::tls(folder.path(), Some(&authority));
        tls.allowed_callers = Some(vec!["spiffe://cluster.local/ns/ops/*".parse().unwrap()]);
        config.portcullis.observe.tls = Some(tls);
    })
    .await;
    let port = tcp(gate.observe.as_ref().unwrap()).port();
    let server = format!("127.0.0.1:{port}");
    let path = |folder: &tempfile::TempDir, name: &str| {
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let (ca, cert, key) = (
        path(&folder, "ca.crt"),
        path(&ours, "tls.crt"),
        path(&ours, "tls.key"),
    );
    let arguments = [
        "--tls-ca",
        &ca,
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--tls-server-name",
        "localhost",
    ];
    for (account, want) in [("ops/sa/operator", 0), ("shop/sa/cart", 1)] {
        let id = format!("spiffe://cluster.local/ns/{account}");
        authority.workload(&id).write(ours.path());
        let (code, _, err) = run(&server, &arguments).await;
        assert_eq!(code, want, "{account}: {err}");
    }
    assert_eq!(run(&server, &[]).await.0, 1);
}
