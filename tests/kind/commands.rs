//! The programs that reach into the cluster.

use std::{ffi::OsString, process::Stdio};

use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

/// Where the programs are, and what they are told each time.
pub(crate) struct Commands {
    pub(crate) kubectl: OsString,
    pub(crate) istioctl: OsString,
    pub(crate) helm: OsString,
    /// `docker` or `podman`.
    pub(crate) engine: OsString,
    /// The container that is the cluster's node.
    pub(crate) node: String,
}

/// What came of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Commands {
    /// Those that `tests/kind/run` names.
    pub(crate) fn of_environment() -> Self {
        let named = |name: &str| {
            let value = std::env::var_os(name);
            value.unwrap_or_else(|| panic!("`{name}` is not set: run `make kind-test`"))
        };
        Self {
            kubectl: "kubectl".into(),
            istioctl: named("PORTCULLIS_ISTIOCTL"),
            helm: named("PORTCULLIS_HELM"),
            engine: named("PORTCULLIS_KIND_ENGINE"),
            node: named("PORTCULLIS_KIND_NODE").into_string().unwrap(),
        }
    }

    /// Runs kubectl, which must succeed; what it printed.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> String {
        text(succeeded(run(&self.kubectl, arguments, &[]).await))
    }

    /// Gives an object to the cluster.
    pub(crate) async fn apply(&self, object: &serde_json::Value) {
        let object = object.to_string();
        let applied = run(&self.kubectl, &["apply", "-f", "-"], object.as_bytes());
        succeeded(applied.await);
    }

    /// Runs a command in a container, with this on its standard input; whatever comes of it.
    pub(crate) async fn exec(&self, place: [&str; 4], command: &[&str], input: &[u8]) -> Ended {
        let arguments = exec_arguments(place, command);
        run(&self.kubectl, &arguments, input).await
    }

    /// Begins a command in a container.
    pub(crate) fn begin(&self, place: [&str; 4], command: &[&str]) -> Child {
        spawn(&self.kubectl, &exec_arguments(place, command))
    }

    /// Runs istioctl, which must succeed; what it printed.
    pub(crate) async fn istioctl(&self, arguments: &[&str]) -> String {
        text(succeeded(run(&self.istioctl, arguments, &[]).await))
    }

    /// Runs Helm, which must succeed.
    pub(crate) async fn helm(&self, arguments: &[&str]) {
        succeeded(run(&self.helm, arguments, &[]).await);
    }

    /// Sends a signal to every gate; whether there was any. The node is a container that sees all processes of
    /// its pods.
    pub(crate) async fn signal_gates(&self, signal: &str) -> bool {
        let arguments = ["exec", &self.node, "pkill", signal, "-x", "portcullis"];
        let ended = run(&self.engine, &arguments, &[]).await;
        assert!([Some(0), Some(1)].contains(&ended.code), "{}", ended.stderr);
        ended.code == Some(0)
    }
}

fn exec_arguments<'a>(
    [namespace, deployment, container, input]: [&'a str; 4],
    command: &[&'a str],
) -> Vec<&'a str> {
    let place = ["--namespace", namespace, "exec", input, deployment];
    [&place, &["--container", container, "--"][..], command].concat()
}

async fn run(program: &OsString, arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = spawn(program, arguments);
    let mut stdin = child.stdin.take().unwrap();
    // Who ends early takes no input, and says why by its code.
    drop(stdin.write_all(input).await);
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    Ended {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn spawn(program: &OsString, arguments: &[&str]) -> Child {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    child.unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

fn succeeded(ended: Ended) -> Ended {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn text(ended: Ended) -> String {
    String::from_utf8(ended.stdout).unwrap()
}
