//! A real Envoy as a child process, on ports of the system's choice.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::pki::Pki;

/// A running Envoy; killed when dropped.
pub struct Envoy {
    child: Child,
    folder: TempDir,
    listeners: HashMap<String, u16>,
    admin: String,
}

impl Envoy {
    /// Starts Envoy with `tests/fixtures/envoy/inbound.yaml` and waits until it listens.
    pub async fn start(pki: &Pki, gate: u16, app: u16) -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("envoy.json");
        fs::write(&config, configuration(pki, gate, app)).unwrap();
        let admin_file = folder.path().join("admin");
        let log = fs::File::create(folder.path().join("envoy.log")).unwrap();
        let mut child = Command::new(binary())
            .args(["--concurrency", "1", "--use-dynamic-base-id", "-l", "warn", "-c"])
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_file)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + START_TIME;
        let (admin, listeners) = loop {
            if let Some(found) = running(&admin_file).await {
                break found;
            }
            let log = || fs::read_to_string(folder.path().join("envoy.log")).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "Envoy ended: {}", log());
            assert!(Instant::now() < deadline, "Envoy does not start: {}", log());
            tokio::time::sleep(POLL).await;
        };
        Self {
            child,
            folder,
            listeners,
            admin,
        }
    }

    /// The port of a listener of the configuration.
    pub fn port(&self, listener: &str) -> u16 {
        self.listeners[listener]
    }

    /// A counter or gauge of the admin endpoint; 0 when Envoy does not know it yet.
    pub async fn stat(&self, name: &str) -> u64 {
        let url = format!("http://{}/stats?filter=^{name}$", self.admin);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("envoy.log"));
            println!("envoy.log:\n{}", log.unwrap_or_default());
        }
    }
}

/// Admin address and listener ports, once all listeners are there.
async fn running(admin_file: &Path) -> Option<(String, HashMap<String, u16>)> {
    let admin = fs::read_to_string(admin_file).ok().filter(|a| !a.is_empty())?;
    let ready = reqwest::get(format!("http://{admin}/ready")).await.ok()?;
    if !ready.status().is_success() {
        return None;
    }
    let url = format!("http://{admin}/listeners?format=json");
    let listeners: serde_json::Value = reqwest::get(url).await.ok()?.json().await.ok()?;
    let ports = listeners["listener_statuses"]
        .as_array()?
        .iter()
        .map(|listener| {
            let name = listener["name"].as_str()?.to_owned();
            let port = listener["local_address"]["socket_address"]["port_value"].as_u64()?;
            Some((name, u16::try_from(port).ok()?))
        })
        .collect::<Option<_>>()?;
    Some((admin, ports))
}

/// The template with its placeholders filled and its YAML merge keys, which Envoy does not know,
/// resolved.
fn configuration(pki: &Pki, gate: u16, app: u16) -> String {
    let text = include_str!("../fixtures/envoy/inbound.yaml")
        .replace("@PKI@", pki.path().to_str().unwrap())
        .replace("@GATE@", &gate.to_string())
        .replace("@APP@", &app.to_string());
    let mut value: yaml_serde::Value = yaml_serde::from_str(&text).unwrap();
    value.apply_merge().unwrap();
    serde_json::to_string(&value).unwrap()
}

fn binary() -> PathBuf {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/envoy");
    assert!(
        local.exists(),
        "no Envoy at {}: run `make envoy` first (`make test` does)",
        local.display()
    );
    local
}

const START_TIME: Duration = Duration::from_secs(30);
/// Between two looks at a child process that offers nothing to wait on.
const POLL: Duration = Duration::from_millis(20);
