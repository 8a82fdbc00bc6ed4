//! Servers under load: processes on the first core, where they serve, and the CPU time they take.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long a server may take to say where it serves.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server process and the port it serves; gone when this is dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Server {
    /// portcullis with this policy and this configuration.
    pub(crate) fn portcullis(policy: &str, config: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [policy_file, config_file] =
            ["policy.rego", "config.json"].map(|name| folder.path().join(name));
        fs::write(&policy_file, policy).unwrap();
        fs::write(&config_file, config.to_string()).unwrap();
        let mut command = pinned(PathBuf::from(env!("CARGO_BIN_EXE_portcullis")));
        command
            .arg("run")
            .arg("--config-file")
            .arg(config_file)
            .args(["--set", "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0"])
            .args(["--set", "portcullis.admin.addr=127.0.0.1:0"])
            // Long enough that a busy machine changes no answer.
            .args(["--set", "portcullis.budget=10s", "--log-format", "json"])
            .arg(policy_file)
            .env("TOKIO_WORKER_THREADS", "1");
        Self::start(command, folder)
    }

    /// This benchmark itself, serving as `argument` says.
    pub(crate) fn own(argument: &str) -> Self {
        let mut command = pinned(std::env::current_exe().unwrap());
        command.arg(argument);
        Self::start(command, tempfile::tempdir().unwrap())
    }

    /// Waits for the line that names the address: `"grpc.address":"127.0.0.1:PORT"`. The log goes to a
    /// file, so that reading it takes nothing from the load.
    fn start(mut command: Command, folder: TempDir) -> Self {
        let log = folder.path().join("log");
        let mut child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        let began = Instant::now();
        let port = loop {
            let text = fs::read_to_string(&log).unwrap();
            if let Some(port) = port_in(&text) {
                break port;
            }
            let ended = child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "the server did not say where it serves: {text}"
            );
            thread::sleep(Duration::from_millis(10));
        };
        Self {
            child,
            port,
            _folder: folder,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Seconds on a CPU so far, of all threads (first field of each `schedstat`).
    pub(crate) fn cpu(&self) -> f64 {
        let mut nanoseconds = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap() {
            let text = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            nanoseconds += text.split(' ').next().unwrap().parse::<f64>().unwrap();
        }
        nanoseconds / 1e9
    }
}

fn pinned(program: PathBuf) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0"]).arg(program);
    command
}

fn port_in(log: &str) -> Option<u16> {
    let rest = log.split_once("\"grpc.address\":\"")?.1;
    let address = rest.split_once('"')?.0;
    address.rsplit_once(':')?.1.parse().ok()
}
