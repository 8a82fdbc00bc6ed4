//! Servers under load: processes on the first core unless told otherwise, where they serve, and the CPU
//! time and the memory they take.

use std::{
    fs::{self, File},
    io::{Read, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::setting::Setting;

/// How long a server may take to say where it serves.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one looks whether a server does nothing, and what part of the time counts as nothing.
const PAUSE: Duration = Duration::from_millis(100);
const IDLE: f64 = 0.05;
/// What is in the folder of a server.
const POLICY_FILE: &str = "policy.rego";
const LOG_FILE: &str = "log";
/// Bytes that are kept of a log that is thrown away.
const KEPT: usize = 1 << 16;

/// A server process and the port it serves; gone when this is dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Server {
    /// portcullis with this policy and this configuration, and so much time that a busy machine changes
    /// no answer.
    pub(crate) fn portcullis(policy: &str, config: &Value) -> Self {
        let setting = Setting {
            set: vec!["portcullis.budget=10s".to_owned()],
            ..Setting::default()
        };
        Self::with(policy, config, &setting)
    }

    /// portcullis with this policy and configuration, run like this.
    pub(crate) fn with(policy: &str, config: &Value, setting: &Setting) -> Self {
        let (command, folder) = Self::command(policy, config, setting);
        Self::start(command, folder, Log::Kept)
    }

    /// The same with a log that is thrown away once it is started: for one that would fill the disk.
    pub(crate) fn unwatched(policy: &str, config: &Value, setting: &Setting) -> Self {
        let (command, folder) = Self::command(policy, config, setting);
        Self::start(command, folder, Log::ThrownAway)
    }

    fn command(policy: &str, config: &Value, setting: &Setting) -> (Command, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let [policy_file, config_file] =
            [POLICY_FILE, "config.json"].map(|name| folder.path().join(name));
        fs::write(&policy_file, policy).unwrap();
        fs::write(&config_file, config.to_string()).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_portcullis"));
        let mut command = pinned(&setting.cores, program);
        command
            .arg("run")
            .arg("--config-file")
            .arg(config_file)
            .args(["--set", "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0"])
            .args(["--set", "portcullis.admin.addr=127.0.0.1:0"])
            .args(["--log-format", "json"])
            .args(setting.set.iter().flat_map(|set| ["--set", set]))
            .arg(policy_file)
            .env("TOKIO_WORKER_THREADS", setting.threads.to_string());
        (command, folder)
    }

    /// This benchmark itself, serving as `argument` says.
    pub(crate) fn own(argument: &str) -> Self {
        let mut command = pinned("0", std::env::current_exe().unwrap());
        command.arg(argument);
        Self::start(command, tempfile::tempdir().unwrap(), Log::Kept)
    }

    /// Waits for the line that names the address: `"grpc.address":"127.0.0.1:PORT"`. The log goes to a
    /// file, so that reading it takes nothing from the load.
    fn start(mut command: Command, folder: TempDir, kept: Log) -> Self {
        let log = folder.path().join(LOG_FILE);
        let file = File::create(&log).unwrap();
        match kept {
            Log::Kept => command.stderr(file.try_clone().unwrap()),
            Log::ThrownAway => command.stderr(Stdio::piped()),
        };
        let mut child = command.spawn().unwrap();
        if let Some(stderr) = child.stderr.take() {
            thread::spawn(move || throw_away(stderr, file));
        }
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
            folder,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Replaces the policy at once.
    pub(crate) fn swap(&self, policy: &str) {
        let [next, file] = [".next", POLICY_FILE].map(|name| self.folder.path().join(name));
        fs::write(&next, policy).unwrap();
        fs::rename(next, file).unwrap();
    }

    /// The lines of the log, from the `skip`th byte on.
    pub(crate) fn log(&self, skip: usize) -> String {
        let text = fs::read(self.folder.path().join(LOG_FILE)).unwrap();
        String::from_utf8_lossy(text.get(skip..).unwrap_or_default()).into_owned()
    }

    /// What it tells at `/metrics`.
    pub(crate) fn metrics(&self) -> String {
        let log = self.log(0);
        let mut stream = TcpStream::connect(address_in(&log, "admin.address").unwrap()).unwrap();
        let head = "GET /metrics HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// How long the log is, in bytes.
    pub(crate) fn log_length(&self) -> usize {
        let length = fs::metadata(self.folder.path().join(LOG_FILE))
            .unwrap()
            .len();
        usize::try_from(length).unwrap()
    }

    /// Waits until it does nothing, so that one measurement is not the next one's burden.
    pub(crate) async fn idle(&self) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let before = self.cpu();
            tokio::time::sleep(PAUSE).await;
            if self.cpu() - before < PAUSE.as_secs_f64() * IDLE {
                return;
            }
        }
        panic!("the server is still at work without any load");
    }

    /// Memory that is resident now, in MiB.
    pub(crate) fn resident(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most that was resident since [`Self::forget_peak`], in MiB.
    pub(crate) fn peak(&self) -> f64 {
        self.status("VmHWM:")
    }

    /// Lets the peak begin anew.
    pub(crate) fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    fn status(&self, name: &str) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes / 1024.0
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

/// What becomes of the log of a server.
#[derive(Clone, Copy)]
enum Log {
    Kept,
    ThrownAway,
}

/// Reads all there is to read, as a collector of logs would; the start of it goes to `file`.
fn throw_away(mut log: impl Read, mut file: File) {
    let mut buffer = vec![0; 1 << 16];
    let mut kept = 0;
    while let Ok(length @ 1..) = log.read(&mut buffer) {
        if kept < KEPT {
            file.write_all(&buffer[..length]).unwrap();
            kept += length;
        }
    }
}

fn pinned(cores: &str, program: PathBuf) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cores]).arg(program);
    command
}

fn port_in(log: &str) -> Option<u16> {
    let address = address_in(log, "grpc.address")?;
    address.rsplit_once(':')?.1.parse().ok()
}

fn address_in<'a>(log: &'a str, name: &str) -> Option<&'a str> {
    let rest = log.split_once(&format!("\"{name}\":\""))?.1;
    Some(rest.split_once('"')?.0)
}
