//! The portcullis binary as a child process, on ports of the system's choice.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
};

use tokio::process::{Child, Command};

use crate::lines::Lines;

/// A running gate; killed when dropped.
pub(crate) struct Gate {
    child: Child,
    port: u16,
    /// The address of its admin port.
    pub(crate) admin: String,
    /// Its log.
    pub(crate) log: Lines,
}

impl Gate {
    /// Starts `portcullis run --watch` with the policies in `folder`, if there is one, and waits until it
    /// serves.
    pub(crate) async fn start(folder: Option<&Path>, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["run", "--watch"])
            .args(["--set", "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0"])
            .args(["--set", "portcullis.admin.addr=127.0.0.1:0"])
            // A check may wait long for a core where tests compete for two of them.
            .args(["--set", "portcullis.budget=9s"])
            .args(arguments)
            .args(folder)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Lines::of(child.stderr.take().unwrap());
        let started = log.first(|line| line["message"] == "server started").await;
        let address = started["grpc.address"].as_str().unwrap();
        let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        let admin = started["admin.address"].as_str().unwrap().to_owned();
        Self {
            child,
            port,
            admin,
            log,
        }
    }

    /// The gRPC port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The log line of the `n`-th check whose path is `path`, counted from one.
    pub(crate) async fn decided(&self, path: &str, n: usize) -> serde_json::Value {
        let of_path = |line: &serde_json::Value| {
            line["message"] == "check decided" && line["http.path"] == path
        };
        self.log.nth(n, of_path).await
    }

    /// Waits until it has begun to use another key set for the `n`-th time, counted from one.
    pub(crate) async fn keys_changed(&self, n: usize) {
        let changed = |line: &serde_json::Value| line["message"] == "keys changed";
        self.log.nth(n, changed).await;
    }

    /// SIGKILL: no drain, no goodbye.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM: asks it to stop.
    pub(crate) async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// SIGSTOP: the kernel takes connections for it, and nobody answers.
    pub(crate) async fn hold(&self) {
        self.signal("-STOP").await;
    }

    /// SIGCONT: it goes on.
    pub(crate) async fn release(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let process = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &process]).status();
        assert!(sent.await.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }
}
