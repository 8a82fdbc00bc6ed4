//! The real binary, with its standard error read or not as a test wants it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use portcullis::app::raw::Raw;
use prost::Message as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::{
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

/// `portcullis run` as a process of its own; killed when dropped.
pub(crate) struct Gate {
    child: Child,
    _folder: TempDir,
    channel: Channel,
    admin: SocketAddr,
    stderr: Arc<Stderr>,
}

impl Gate {
    /// Serves `policy` with this configuration, on free ports.
    pub(crate) async fn start(policy: &str, config: &Value) -> Self {
        Self::with_files(&[("policy.rego", policy)], config).await
    }

    /// The same with several files of policy.
    pub(crate) async fn with_files(policies: &[(&str, &str)], config: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let policy = folder.path().join("policy");
        fs::create_dir(&policy).unwrap();
        for (name, text) in policies {
            fs::write(policy.join(name), text).unwrap();
        }
        let file = folder.path().join("config.json");
        fs::write(&file, config.to_string()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["run", "--config-file"])
            .arg(&file)
            .args(SET.iter().flat_map(|set| ["--set", set]))
            .arg(policy)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = Stderr::read(child.stderr.take().unwrap());
        let started = stderr.first(|line| line["message"] == "server started");
        let address = |name: &str| started[name].as_str().unwrap().parse().unwrap();
        let grpc: SocketAddr = address("grpc.address");
        let endpoint = Endpoint::from_shared(format!("http://{grpc}")).unwrap();
        Self {
            child,
            _folder: folder,
            channel: endpoint.connect().await.unwrap(),
            admin: address("admin.address"),
            stderr,
        }
    }

    /// What it writes to standard error.
    pub(crate) fn stderr(&self) -> &Stderr {
        &self.stderr
    }

    /// The gRPC code that a check of `request` is answered with.
    pub(crate) async fn check(&self, request: &Bytes) -> i32 {
        check(self.channel.clone(), request.clone()).await
    }

    /// Checks `requests` in turn, `times` in all and some at a time: each must get its code.
    pub(crate) async fn checks(&self, requests: &[(Bytes, i32)], times: usize) {
        let clients = (0..CLIENTS).map(|client| async move {
            for nth in (client..times).step_by(CLIENTS) {
                let (request, expected) = &requests[nth % requests.len()];
                assert_eq!(self.check(request).await, *expected, "check {nth}");
            }
        });
        soon(futures_util::future::join_all(clients)).await;
    }

    /// `GET` on the admin port.
    pub(crate) async fn get(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.admin);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// The sum of all series whose names begin with `portcullis_` and this, and have all these labels.
    pub(crate) async fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let text = self.get("/metrics").await;
        let of_name = text.lines().filter_map(|line| {
            let rest = line.strip_prefix("portcullis_")?.strip_prefix(name)?;
            let (found, value) = rest.rsplit_once(' ')?;
            let whole = found.is_empty() || found.starts_with('{');
            let all = labels.iter().all(|label| found.contains(label));
            (whole && all).then(|| value.parse::<u64>().unwrap())
        });
        of_name.sum()
    }

    /// Waits until `wanted` holds of what it returns.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFn(&Self) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = look(self).await {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
    }

    /// Asks it to stop and waits for its end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stderr.read_on();
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn check(channel: Channel, request: Bytes) -> i32 {
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/envoy.service.auth.v3.Authorization/Check");
    let answer = client.unary(tonic::Request::new(request), path, Raw).await;
    let answer = CheckResponse::decode(answer.unwrap().into_inner()).unwrap();
    answer.status.unwrap_or_default().code
}

/// The lines of a standard error.
pub(crate) struct Stderr {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    paused: bool,
    ended: bool,
}

impl Stderr {
    fn read(stderr: ChildStderr) -> Arc<Self> {
        let read = Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let reader = Arc::clone(&read);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut state = reader.state.lock().unwrap();
                state.lines.push(line);
                reader.changed.notify_all();
                drop(reader.changed.wait_while(state, |state| state.paused));
            }
            reader.state.lock().unwrap().ended = true;
            reader.changed.notify_all();
        });
        read
    }

    /// Reads nothing from now on, one more line perhaps; the pipe stays open.
    pub(crate) fn pause(&self) {
        self.state.lock().unwrap().paused = true;
    }

    /// Reads again.
    pub(crate) fn read_on(&self) {
        self.state.lock().unwrap().paused = false;
        self.changed.notify_all();
    }

    /// Everything that was read.
    pub(crate) fn text(&self) -> String {
        self.state.lock().unwrap().lines.join("\n")
    }

    /// The lines that were read, which are all JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        let parsed = |line: &String| serde_json::from_str(line).expect(line);
        state.lines.iter().map(parsed).collect()
    }

    /// How many lines were read that `text` is in.
    pub(crate) fn count(&self, text: &str) -> usize {
        let state = self.state.lock().unwrap();
        state
            .lines
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }

    /// Waits for the first line like this.
    pub(crate) fn first(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let find = |state: &State| {
            let mut lines = state
                .lines
                .iter()
                .filter_map(|l| serde_json::from_str(l).ok());
            lines.find(|line| wanted(line))
        };
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state.lock().unwrap(), PATIENCE, |state| {
                !state.ended && find(state).is_none()
            })
            .unwrap();
        let found = find(&state);
        found.unwrap_or_else(|| panic!("no such line:\n{}", state.lines.join("\n")))
    }

    /// Waits for the end of the process, after which nothing is to be read.
    pub(crate) fn ended(&self) {
        let state = self.state.lock().unwrap();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !state.ended)
            .unwrap();
        assert!(state.ended, "somebody still writes");
    }
}

/// Fails a test that would hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// `over` merged into `config`, objects key by key.
pub(crate) fn with(mut config: Value, over: Value) -> Value {
    match (&mut config, over) {
        (Value::Object(config), Value::Object(over)) => {
            for (key, value) in over {
                let before = config.remove(&key).unwrap_or_else(|| json!({}));
                config.insert(key, with(before, value));
            }
        }
        (config, over) => *config = over,
    }
    config
}

const SET: [&str; 5] = [
    "portcullis.observe.addr=off",
    "plugins.envoy_ext_authz_grpc.addr=127.0.0.1:0",
    "portcullis.admin.addr=127.0.0.1:0",
    "portcullis.shutdown.grace=0s",
    // A check may wait long for a core where tests compete for two of them.
    "portcullis.budget=30s",
];
const CLIENTS: usize = 32;
/// Long, because it only ends tests that fail.
const PATIENCE: Duration = Duration::from_secs(40);
