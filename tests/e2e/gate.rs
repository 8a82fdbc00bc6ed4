//! The portcullis binary as a child process, on a port of the system's choice.

use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

/// A running gate; killed when dropped.
pub struct Gate {
    child: Child,
    folder: TempDir,
    port: u16,
    log: Arc<Mutex<Vec<serde_json::Value>>>,
    lines: watch::Receiver<usize>,
}

impl Gate {
    /// Starts `portcullis run --watch` with one policy file and waits until it serves.
    pub async fn start(policy: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("policy.rego"), policy).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("run")
            .args(["--set", "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0"])
            .args(["--set", "portcullis.admin.addr=127.0.0.1:0"])
            .args(["--watch", "--log-format", "json", "--log-level", "debug"])
            .args(arguments)
            .arg(folder.path())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (count, lines) = watch::channel(0);
        let writer = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                let value = serde_json::from_str(&line).unwrap_or(serde_json::Value::String(line));
                writer.lock().unwrap().push(value);
                count.send_modify(|count| *count += 1);
            }
        });
        let mut gate = Self {
            child,
            folder,
            port: 0,
            log,
            lines,
        };
        let serving = gate.wait_for(|line| line["message"] == "server started").await;
        let address = serving["grpc.address"].as_str().unwrap();
        gate.port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        gate
    }

    /// The gRPC port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The policy file, to be replaced while the gate runs.
    pub fn policy(&self) -> PathBuf {
        self.folder.path().join("policy.rego")
    }

    /// The first log line, past or to come, that `wanted` accepts.
    pub async fn wait_for(
        &mut self,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let search = async {
            loop {
                self.lines.mark_unchanged();
                let found = self.log.lock().unwrap().iter().find(|l| wanted(l)).cloned();
                if let Some(line) = found {
                    return Some(line);
                }
                self.lines.changed().await.ok()?;
            }
        };
        let found = timeout(LOG_TIME, search).await.ok().flatten();
        found.unwrap_or_else(|| panic!("no such line in the log: {:#?}", self.log.lock().unwrap()))
    }

    /// How many lines of the log `wanted` accepts now.
    pub fn count(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> usize {
        self.log.lock().unwrap().iter().filter(|l| wanted(l)).count()
    }

    /// SIGKILL: no drain, no goodbye.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

const LOG_TIME: Duration = Duration::from_secs(20);
