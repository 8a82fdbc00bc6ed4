//! The real process: what it holds, and what becomes of it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use tempfile::TempDir;

/// `portcullis run` as a process of its own; killed when dropped.
pub(crate) struct Process {
    _folder: TempDir,
    child: Child,
    grpc: Option<SocketAddr>,
}

impl Process {
    /// Serves `policy` on a free port, with `set` on top of the default configuration, and is heard.
    pub(crate) fn start(policy: &str, set: &[&str]) -> Self {
        let mut process = Self::spawn(policy, &[set, &FREE_PORT].concat(), Stdio::piped());
        let log = process.child.stderr.take().unwrap();
        process.grpc = Some(started(log, true));
        process
    }

    /// The same until it has said where it serves; then nobody is left who reads.
    pub(crate) fn start_and_hang_up(policy: &str, set: &[&str]) -> Self {
        let mut process = Self::spawn(policy, &[set, &FREE_PORT].concat(), Stdio::piped());
        let log = process.child.stderr.take().unwrap();
        process.grpc = Some(started(log, false));
        process
    }

    /// Serves where `set` says, with this as its standard error.
    pub(crate) fn spawn(policy: &str, set: &[&str], stderr: Stdio) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("policy.rego"), policy).unwrap();
        let set = ["portcullis.budget=30s", "portcullis.admin.addr=127.0.0.1:0"]
            .iter()
            .chain(set);
        let child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("run")
            .args(set.flat_map(|set| ["--set", set]))
            .arg(folder.path())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self {
            _folder: folder,
            child,
            grpc: None,
        }
    }

    /// Where it serves.
    pub(crate) fn grpc(&self) -> SocketAddr {
        self.grpc.expect("a process that was heard")
    }

    /// The most memory it ever had, in MiB.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:") / 1024
    }

    /// The memory it has, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Asks it to stop and waits for its end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap()
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Where a process serves that says so on `log`, which is read to its end or hung up then.
fn started(log: impl Read + Send + 'static, to_the_end: bool) -> SocketAddr {
    let (found, address) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = line["grpc.address"].as_str() {
                let address = address.trim_start_matches("grpc://");
                found.send(address.parse().unwrap()).ok();
                if !to_the_end {
                    return;
                }
            }
        }
    });
    address.recv_timeout(Duration::from_mins(1)).unwrap()
}

const FREE_PORT: [&str; 1] = ["plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0"];
