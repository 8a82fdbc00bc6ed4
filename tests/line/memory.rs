//! What hostile requests can make the real process hold.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use crate::{
    failures::code,
    hostile::READS_ALL,
    requests::{self, POST},
    server::{check, connect},
};

/// `portcullis run` as a process of its own; killed when dropped.
pub(crate) struct Process {
    child: Child,
    grpc: String,
}

impl Process {
    fn start(policy: &str) -> Self {
        Self::with(policy, &[])
    }

    /// A server with settings of its own.
    pub(crate) fn with(policy: &str, set: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.rego"), policy).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("run")
            .args(["--set", "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0"])
            .args(["--set", "portcullis.admin.addr=127.0.0.1:0"])
            .args(["--set", "portcullis.budget=30s"])
            .args(set.iter().flat_map(|set| ["--set", *set]))
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

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.grpc.trim_start_matches("grpc://").parse().unwrap()
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

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_make_the_process_hold_only_a_few_times_their_size() {
    let process = Process::start(READS_ALL);
    let channel = connect(process.address()).await;
    let megabytes = 3 << 20;
    let before = process.peak();
    let attacks = [
        requests::http(POST, |http| {
            http.headers
                .extend((0..100_000).map(|n| (format!("x-{n}"), String::new())));
        }),
        requests::path(&"/".repeat(megabytes)),
        requests::http(POST, |http| http.body = "[0,".repeat(megabytes / 3)),
        requests::http(POST, |http| {
            http.body = format!("[{}0]", "0,".repeat(megabytes / 2));
            http.headers
                .insert("content-length".to_owned(), http.body.len().to_string());
        }),
        requests::http(POST, |http| http.raw_body = vec![b'a'; megabytes]),
        vec![0xff; megabytes],
    ];
    for _ in 0..3 {
        for attack in &attacks {
            let answer = check(&channel, attack, None).await.unwrap();
            assert!(code(&answer) == 7 || code(&answer) == 0, "{answer:?}");
        }
    }
    let grown = process.peak().saturating_sub(before);
    assert!(grown < 512, "the process grew by {grown} MiB");
}
