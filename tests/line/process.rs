//! The real process: what it holds, and what becomes of it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

/// `portcullis run` as a process of its own; killed when dropped.
struct Process {
    child: Child,
    grpc: String,
}

impl Process {
    fn start(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.rego"), policy).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("run")
            .args(["--set", "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0"])
            .args(["--set", "portcullis.admin.addr=127.0.0.1:0"])
            .args(["--set", "portcullis.budget=30s"])
            .arg(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (found, address) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(address) = line["grpc.address"].as_str() {
                    found.send(address.to_owned()).ok();
                }
            }
        });
        let address = address.recv_timeout(Duration::from_mins(1)).unwrap();
        Self {
            child,
            grpc: address,
        }
    }

    /// The most memory it ever had, in MiB.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib / 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

