//! The mesh of a cluster: everything by kubectl, callers by curl in their pods.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::{
    commands::Commands,
    curl,
    load::Load,
    mesh::{
        LOADED, Mesh, bundle,
        check::{answer, status},
        policy, sum_of,
        wire::{Answer, Caller, Request, SLEEP, Target},
    },
};

/// A cluster in the state that `tests/kind/run` leaves it in.
pub(crate) struct Driver {
    pub(crate) commands: Commands,
}

impl Driver {
    /// The cluster that the environment names, with one gate that answers: the item before may have failed.
    pub(crate) async fn of_cluster() -> Self {
        let mut driver = Self::with(Commands::of_environment());
        // Those that are held would never be ready; there may be none at all.
        driver.commands.signal_gates("-CONT").await;
        driver.scale_gates(1).await;
        driver.publish(0).await;
        driver.release(0).await;
        driver
    }

    /// With these programs.
    pub(crate) fn with(commands: Commands) -> Self {
        Self { commands }
    }

    /// The names of the pods of gates, those that end too.
    async fn pods(&self) -> Vec<String> {
        let arguments = ["--namespace", "authz", "get", "pods", "--output", "name"];
        let arguments = [&arguments[..], &["--selector", GATES]].concat();
        let pods = self.commands.kubectl(&arguments).await;
        let name = |line: &str| line.trim_start_matches("pod/").to_owned();
        pods.lines().map(name).collect()
    }

    /// Waits until so many pods of gates are left and all of them are ready.
    async fn rolled_out(&self, count: usize) {
        let rollout = ["--namespace", "authz", "rollout", "status", DEPLOYMENT];
        let rollout = [&rollout[..], &["--timeout", "5m"]].concat();
        self.commands.kubectl(&rollout).await;
        eventually("pods", async || self.pods().await.len() == count).await;
    }

    /// Waits until each proxy gets these statuses for what the policy denies: istiod tells them of gates one
    /// by one.
    async fn noticed(&self, statuses: [(Target, u16); 3]) {
        for (target, wanted) in statuses {
            let asked = async || status(self, SLEEP, target, "/closed").await == wanted;
            eventually("endpoints", asked).await;
        }
    }

    /// Waits until an answer carries this number: kubelet and the gate take their time.
    async fn serves(&self, header: &str, number: usize) {
        eventually(header, async || {
            let told = answer(self, SLEEP, Target::Closed, Request::get("/orders")).await;
            told.header(header) == Some(&number.to_string())
        })
        .await;
    }

    async fn config_map(&self, name: &str, kind: &str, data: &Value) {
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "authz"},
        });
        object[kind] = data.clone();
        self.commands.apply(&object).await;
    }
}

impl Mesh for Driver {
    type Load = Load;

    async fn send(&self, caller: Caller, target: Target, request: &Request) -> Option<Answer> {
        let command = curl::command(&url(target, &request.path), request);
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let body = request.body.as_deref().unwrap_or_default();
        let deployment = deployment_of(caller);
        let place = [caller.namespace, &deployment, "caller", "--stdin"];
        let ended = self.commands.exec(place, &command, body).await;
        match ended.code {
            Some(0) => Some(curl::answer(&String::from_utf8_lossy(&ended.stdout))),
            Some(code) if curl::closed(code) => None,
            code => panic!("{code:?} of {command:?}: {}", ended.stderr),
        }
    }

    async fn arrived(&self) -> usize {
        let mut arrived = 0;
        for namespace in ["foo", "wave"] {
            let applications = ["--selector", "part-of=applications", "--container", "echo"];
            let whole = ["--namespace", namespace, "logs", "--tail=-1"];
            let arguments = [&whole[..], &["--max-log-requests=10"], &applications].concat();
            let log = self.commands.kubectl(&arguments).await;
            arrived += log
                .lines()
                .filter(|line| line.starts_with("arrived"))
                .count();
        }
        arrived
    }

    async fn metric(&self, name: &str) -> u64 {
        let mut sum = 0;
        for pod in self.pods().await {
            let path = format!("/api/v1/namespaces/authz/pods/{pod}:8282/proxy/metrics");
            let metrics = self.commands.kubectl(&["get", "--raw", &path]).await;
            sum += sum_of(&metrics, name);
        }
        sum
    }

    async fn kill_gates(&mut self) {
        self.commands.kubectl(&scale("0")).await;
        let now = ["delete", "pods", "--grace-period=0", "--force"];
        let arguments = [&["--namespace", "authz"][..], &now, &["--selector", GATES]].concat();
        self.commands.kubectl(&arguments).await;
        eventually("no pods", async || self.pods().await.is_empty()).await;
        self.noticed([
            (Target::Closed, 503),
            (Target::Open, 200),
            (Target::Hasty, 503),
        ])
        .await;
    }

    async fn scale_gates(&mut self, count: usize) {
        self.commands.kubectl(&scale(&count.to_string())).await;
        self.rolled_out(count).await;
        let all = [Target::Closed, Target::Open, Target::Hasty];
        self.noticed(all.map(|target| (target, 403))).await;
    }

    async fn restart_gates(&mut self) {
        let before = self.pods().await;
        let restart = ["--namespace", "authz", "rollout", "restart", DEPLOYMENT];
        self.commands.kubectl(&restart).await;
        self.rolled_out(before.len()).await;
        let now = self.pods().await;
        assert!(
            now.iter().all(|pod| !before.contains(pod)),
            "{before:?} {now:?}"
        );
    }

    async fn hold_gates(&mut self) {
        assert!(self.commands.signal_gates("-STOP").await);
    }

    async fn release_gates(&mut self) {
        assert!(self.commands.signal_gates("-CONT").await);
    }

    async fn publish(&mut self, version: usize) {
        let files = policy(version).map(|(name, text)| (name.to_owned(), Value::from(text)));
        let data = Value::Object(files.into_iter().collect());
        self.config_map("policy", "data", &data).await;
        self.serves("x-policy", version).await;
    }

    async fn release(&mut self, number: usize) {
        let archive = BASE64_STANDARD.encode(archive(number));
        let data = json!({"release.tar.gz": archive});
        self.config_map("release", "binaryData", &data).await;
        self.serves("x-release", number).await;
    }

    async fn filters(&self, target: Target) -> Value {
        let deployment = format!("deployment/{}", application(target).1);
        let arguments = [
            "proxy-config",
            "listener",
            &deployment,
            "--namespace",
            "foo",
        ];
        let arguments = [&arguments[..], &["--port", "15006", "--output", "json"]].concat();
        let listeners = self.commands.istioctl(&arguments).await;
        http_filters(&serde_json::from_str(&listeners).unwrap())
    }

    async fn load(&self) -> Load {
        let urls = LOADED.map(|(path, _)| url(Target::Closed, path));
        Load::begin(
            &self.commands,
            SLEEP.namespace,
            &deployment_of(SLEEP),
            &urls,
        )
    }
}

/// The HTTP filters of the application's port, of those listeners that istioctl shows.
fn http_filters(listeners: &Value) -> Value {
    let of_port = |chain: &&Value| chain["filterChainMatch"]["destinationPort"] == 8000;
    let filters = |chain: &Value| {
        let mut filters = chain["filters"].as_array()?.iter();
        filters.find_map(|filter| filter["typedConfig"].get("httpFilters").cloned())
    };
    let listeners = listeners.as_array().unwrap().iter();
    let chains = listeners.filter_map(|listener| listener["filterChains"].as_array());
    let mut found = chains.flatten().filter(of_port).filter_map(filters);
    found.next().unwrap()
}

/// Asks again and again until it is so. There is nothing in a cluster to wait on instead.
async fn eventually(what: &str, so: impl AsyncFn() -> bool) {
    let asking = async { while !so().await {} };
    let came = tokio::time::timeout(PATIENCE, asking).await;
    came.unwrap_or_else(|_| panic!("{what}: not so after {PATIENCE:?}"));
}

fn archive(number: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in bundle(number) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len().try_into().unwrap());
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn scale(count: &str) -> [&str; 6] {
    [
        "--namespace",
        "authz",
        "scale",
        DEPLOYMENT,
        "--replicas",
        count,
    ]
}

fn deployment_of(caller: Caller) -> String {
    format!("deployment/caller-{}", caller.service_account)
}

/// Namespace and name of the application that is a target.
pub(crate) fn application(target: Target) -> (&'static str, &'static str) {
    match target {
        Target::Closed => ("foo", "closed"),
        Target::Open => ("foo", "open"),
        Target::Hasty => ("foo", "hasty"),
        Target::Misnamed => ("foo", "misnamed"),
        Target::Tcp => ("foo", "tcp"),
        Target::Waypoint => ("wave", "annotated"),
        Target::BareWaypoint => ("wave", "bare"),
    }
}

fn url(target: Target, path: &str) -> String {
    let (namespace, name) = application(target);
    format!("http://{name}.{namespace}.svc.cluster.local:8000{path}")
}

/// The gates of the release, without the pod of its test.
const GATES: &str = "app.kubernetes.io/name=portcullis,app.kubernetes.io/instance=portcullis";
const DEPLOYMENT: &str = "deployment/portcullis";
/// Kubelets take up to two minutes for a ConfigMap.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(4);
