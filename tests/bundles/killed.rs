//! `kill -9` while signed bundles are downloaded, activated and written: what is on disk afterwards is
//! always one whole version, verified again by a restart without the source, which decides by it. What
//! is there between two steps of a write: the tests of `sources::disk`.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    gate::PATH,
    server::{Answer, BundleServer, Version},
    signatures::Publisher,
};

/// `portcullis run`, killed when dropped.
struct Process {
    child: Child,
    lines: Receiver<Value>,
    /// What it has said until now.
    said: RefCell<Vec<Value>>,
}

impl Process {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["run", "--log-level", "debug", "--config-file"])
            .arg(config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_default();
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            said: RefCell::default(),
        }
    }

    /// What it has said until now does not count any more.
    fn hears_nothing_of_before(&self) {
        self.said.borrow_mut().clear();
        while self.lines.try_recv().is_ok() {}
    }

    /// Waits for a line with this message and, if there is one, this revision.
    fn says(&self, message: &str, revision: Option<&str>) -> Value {
        let is_it = |line: &Value| {
            let revised = revision.is_none_or(|revision| line["bundle.revision"] == revision);
            line["message"] == message && revised
        };
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut said = self.said.borrow_mut();
        loop {
            if let Some(line) = said.iter().find(|line| is_it(line)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            said.push(line.unwrap_or_else(|_| panic!("it never said `{message}`")));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

struct Setting {
    folder: TempDir,
    server: BundleServer,
    config: PathBuf,
    publisher: Publisher,
    /// Every version that was served; each signature of one version is another.
    signed: RefCell<BTreeMap<u32, Vec<u8>>>,
}

impl Setting {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let server = BundleServer::start().await;
        let publisher = Publisher::new();
        let polling = json!({
            "min_delay_seconds": 1,
            "max_delay_seconds": 1,
            "long_polling_timeout_seconds": 30,
        });
        let socket = |name: &str| format!("unix://{}", folder.path().join(name).display());
        let text = json!({
            "services": {"ours": {"url": server.origin()}},
            "keys": {"ours": {"key": publisher.public_key(), "algorithm": "ES256"}},
            "bundles": {"authz": {"service": "ours", "polling": polling, "persist": true}},
            "persistence_directory": folder.path().join("kept"),
            "plugins": {"envoy_ext_authz_grpc": {"addr": socket("grpc")}},
            "portcullis": {"admin": {"addr": socket("admin")}},
        });
        let config = folder.path().join("config.json");
        fs::write(&config, text.to_string()).unwrap();
        Self {
            folder,
            server,
            config,
            publisher,
            signed: RefCell::default(),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("kept/bundles/authz/bundle.tar.gz")
    }

    /// Serves this version from now on.
    fn serve(&self, number: u32) {
        let mut signed = self.signed.borrow_mut();
        let archive = signed
            .entry(number)
            .or_insert_with(|| self.publisher.signed(number));
        let version = Version::new(&number.to_string(), archive.clone());
        self.server.set(PATH, version.held());
    }

    /// Starts while the source is away; which version that restores.
    fn restarts_with(&self) -> u32 {
        self.server.set(PATH, Answer::status(503));
        let process = Process::start(&self.config);
        let restored = process.says("bundle restored from disk", None);
        process.says("server started", None);
        restored["bundle.revision"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Which version is on disk, whole.
    fn on_disk(&self, of: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let found = fs::read(self.file()).ok()?;
        let signed = self.signed.borrow();
        let mut versions = of;
        let whole = versions.find(|number| signed.get(number) == Some(&found));
        Some(whole.expect("a whole version"))
    }
}

/// The messages after which it is killed, from the source to the disk and on.
const MOMENTS: [&str; 4] = [
    "bundle downloaded",
    "bundle activated",
    "policy activated",
    "bundle persisted",
];

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_it_restarts_with_a_whole_version() {
    let setting = Setting::new().await;
    setting.serve(1);
    let first = Process::start(&setting.config);
    first.says("bundle persisted", Some("1"));
    drop(first);
    let mut last = 1;
    for (round, moment) in (0_u32..).zip(MOMENTS.iter().cycle().take(16)) {
        let next = last + 1;
        setting.serve(last);
        let process = Process::start(&setting.config);
        process.says("server started", None);
        process.hears_nothing_of_before();
        setting.serve(next);
        let has_revision =
            moment.starts_with("bundle activated") || moment.starts_with("bundle persisted");
        process.says(moment, has_revision.then(|| next.to_string()).as_deref());
        // A little later each time, so that the steps between two lines are met as well.
        std::thread::sleep(Duration::from_micros(300 * u64::from(round)));
        drop(process);
        let found = setting
            .on_disk(last..=next)
            .expect("a version, whatever happened");
        assert!((last..=next).contains(&found));
        assert_eq!(setting.restarts_with(), found, "after `{moment}`");
        last = next.max(found);
        setting.serve(last);
        let process = Process::start(&setting.config);
        if found != last {
            process.says("bundle persisted", Some(&last.to_string()));
        }
    }
    // What a killed process has left half written is never taken for a bundle, and goes with the next.
    assert!(setting.on_disk(1..=last).is_some());
    setting.serve(last + 1);
    let process = Process::start(&setting.config);
    process.says("bundle persisted", Some(&(last + 1).to_string()));
    let folder = setting.file();
    let names = fs::read_dir(folder.parent().unwrap()).unwrap();
    assert_eq!(names.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_anything_was_written_it_restarts_with_nothing() {
    let setting = Setting::new().await;
    setting.server.hold();
    setting.serve(1);
    let process = Process::start(&setting.config);
    process.says("bundle followed", None);
    drop(process);
    assert_eq!(setting.on_disk(1..=1), None);
    setting.server.release();
    let process = Process::start(&setting.config);
    process.says("bundle persisted", Some("1"));
}
