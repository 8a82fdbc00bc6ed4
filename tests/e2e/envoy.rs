//! A real Envoy as a child process, on ports of the system's choice.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{lines::Lines, pki::Pki};

/// A running Envoy; killed when dropped.
pub(crate) struct Envoy {
    _child: Child,
    _folder: TempDir,
    listeners: HashMap<String, u16>,
    admin: String,
    log: Lines,
    /// Its access log.
    pub(crate) access: Lines,
}

impl Envoy {
    /// Starts Envoy with `tests/fixtures/envoy/inbound.yaml` and waits until it listens.
    pub(crate) async fn start(pki: &Pki, gate: u16, app: u16) -> Self {
        Self::configured(&configuration(pki, gate, app)).await
    }

    /// The same with several gates in the cluster, whose health Envoy asks for.
    pub(crate) async fn balancing(pki: &Pki, gates: &[u16], app: u16) -> Self {
        let mut value = configuration(pki, gates[0], app);
        let clusters = value["static_resources"]["clusters"].as_array_mut();
        let mut clusters = clusters.unwrap().iter_mut();
        let gate = clusters.find(|cluster| cluster["name"] == "gate").unwrap();
        let endpoint = |port: &u16| {
            let address = json!({"address": "127.0.0.1", "port_value": port});
            json!({"endpoint": {"address": {"socket_address": address}}})
        };
        let endpoints: Vec<_> = gates.iter().map(endpoint).collect();
        gate["load_assignment"]["endpoints"] = json!([{"lb_endpoints": endpoints}]);
        gate["health_checks"] = json!([{
            "timeout": "5s",
            "interval": "0.1s",
            "no_traffic_interval": "0.1s",
            "healthy_threshold": 1,
            "unhealthy_threshold": 2,
            "grpc_health_check": {"service_name": "envoy.service.auth.v3.Authorization"},
        }]);
        Self::configured(&value).await
    }

    /// The same with gates that this file of endpoints names, as a control plane would.
    pub(crate) async fn discovering(pki: &Pki, endpoints: &Path, app: u16) -> Self {
        let mut value = configuration(pki, 0, app);
        let clusters = value["static_resources"]["clusters"].as_array_mut();
        let mut clusters = clusters.unwrap().iter_mut();
        let gate = clusters.find(|cluster| cluster["name"] == "gate").unwrap();
        gate.as_object_mut().unwrap().remove("load_assignment");
        gate["type"] = "EDS".into();
        let source =
            json!({"path_config_source": {"path": endpoints}, "resource_api_version": "V3"});
        gate["eds_cluster_config"] = json!({"eds_config": source});
        Self::configured(&value).await
    }

    /// The same with this configuration.
    pub(crate) async fn configured(configuration: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("envoy.json");
        fs::write(&config, configuration.to_string()).unwrap();
        let admin_file = folder.path().join("admin");
        let mut child = Command::new(binary())
            .args(["--concurrency", "1", "--disable-hot-restart", "-l", "warn"])
            // The access log is written at once.
            .args(["--file-flush-interval-msec", "1"])
            .arg("--admin-address-path")
            .arg(&admin_file)
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let access = Lines::of(child.stdout.take().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        let deadline = Instant::now() + START_TIME;
        let (admin, listeners) = loop {
            if let Some(found) = running(&admin_file).await {
                break found;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "Envoy ended:\n{}", log.last());
            assert!(Instant::now() < deadline, "no Envoy:\n{}", log.last());
            tokio::time::sleep(POLL).await;
        };
        Self {
            _child: child,
            _folder: folder,
            listeners,
            admin,
            log,
            access,
        }
    }

    /// The port of a listener of the configuration.
    pub(crate) fn port(&self, listener: &str) -> u16 {
        self.listeners[listener]
    }

    /// A counter or gauge of the admin endpoint, which must exist.
    pub(crate) async fn stat(&self, name: &str) -> u64 {
        let all = self.ask("stats?format=json").await;
        let mut stats = all["stats"].as_array().unwrap().iter();
        let stat = stats.find(|stat| stat["name"] == name);
        stat.unwrap_or_else(|| panic!("Envoy has no `{name}`"))["value"]
            .as_u64()
            .unwrap()
    }

    /// What the admin endpoint answers at `path`.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let url = format!("http://{}/{path}", self.admin);
        get(&url).await.unwrap().json().await.unwrap()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("Envoy's log:\n{}", self.log.last());
        }
    }
}

/// Admin address and listener ports, once all listeners are there.
async fn running(admin_file: &Path) -> Option<(String, HashMap<String, u16>)> {
    let admin = fs::read_to_string(admin_file)
        .ok()
        .filter(|a| !a.is_empty())?;
    if !get(&format!("http://{admin}/ready"))
        .await?
        .status()
        .is_success()
    {
        return None;
    }
    let listeners = get(&format!("http://{admin}/listeners?format=json")).await?;
    let listeners: Value = listeners.json().await.ok()?;
    let ports = listeners["listener_statuses"]
        .as_array()?
        .iter()
        // The internal ones have none.
        .filter(|listener| !listener["local_address"]["socket_address"].is_null())
        .map(|listener| {
            let name = listener["name"].as_str()?.to_owned();
            let port = listener["local_address"]["socket_address"]["port_value"].as_u64()?;
            Some((name, u16::try_from(port).ok()?))
        })
        .collect::<Option<_>>()?;
    Some((admin, ports))
}

async fn get(url: &str) -> Option<reqwest::Response> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.ok()
}

/// The template with its placeholders filled and its YAML merge keys, which Envoy does not know,
/// resolved.
fn configuration(pki: &Pki, gate: u16, app: u16) -> Value {
    let text = include_str!("../fixtures/envoy/inbound.yaml")
        .replace("@PKI@", pki.path().to_str().unwrap())
        .replace("@GATE@", &gate.to_string())
        .replace("@APP@", &app.to_string());
    let mut value: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
    value.apply_merge().unwrap();
    serde_json::to_value(&value).unwrap()
}

/// The Envoy that `make envoy` installs.
pub(crate) fn binary() -> PathBuf {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/envoy");
    assert!(
        local.exists(),
        "no Envoy at `{}`: run `make envoy` first (`make test` does)",
        local.display()
    );
    local
}

const START_TIME: Duration = Duration::from_mins(1);
/// Between two looks at a starting Envoy, which offers nothing to wait on.
const POLL: Duration = Duration::from_millis(20);
