//! A real Envoy in front of the demo, with a small mesh PKI of its own in a temporary folder.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair, SanType,
};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// An Envoy that can be started: the binary is there and the port is free.
#[derive(Debug)]
pub(super) struct Prepared {
    binary: PathBuf,
    /// Held so that nobody takes the port meanwhile.
    port: TcpListener,
}

/// A running Envoy; ended and cleaned up when dropped.
#[derive(Debug)]
pub(super) struct Envoy {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Prepared {
    /// Finds `binary` (empty: wherever one is) and takes `port`.
    pub(super) fn new(binary: &Path, port: u16) -> Result<Self> {
        let binary = find(binary)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
            format!("Envoy cannot listen on `127.0.0.1:{port}` (`--envoy-port` chooses its port)")
        })?;
        Ok(Self { binary, port })
    }

    /// Starts it, asking the gate on port `gate`, and waits until it listens.
    pub(super) async fn start(self, gate: u16) -> Result<Envoy> {
        let Self { binary, port } = self;
        let folder = TempDir::new()?;
        write_certificates(folder.path())?;
        let number = port.local_addr()?.port();
        let config = folder.path().join("envoy.yaml");
        let text = include_str!("envoy.yaml")
            .replace("@PKI@", &folder.path().display().to_string())
            .replace("@PORT@", &number.to_string())
            .replace("@GATE@", &gate.to_string());
        fs::write(&config, text)?;
        drop(port);
        let child = Command::new(&binary)
            .args([
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "-l",
                "error",
                "-c",
            ])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join(LOG))?)
            .spawn()
            .with_context(|| format!("cannot start `{}`", binary.display()))?;
        let mut envoy = Envoy {
            child,
            folder,
            port: number,
        };
        envoy.listening().await?;
        Ok(envoy)
    }
}

impl Envoy {
    /// Waits until it accepts connections. It says so to nobody, so it is asked again and again.
    async fn listening(&mut self) -> Result<()> {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let listens = async {
            while TcpStream::connect(address).await.is_err() {
                if self.child.try_wait()?.is_some() {
                    bail!("Envoy ended: {}", self.complaint());
                }
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        };
        match tokio::time::timeout(START_TIME, listens).await {
            Ok(listens) => listens,
            Err(_) => bail!("Envoy does not listen: {}", self.complaint()),
        }
    }

    /// The beginning of what it wrote: it likes to quote its whole configuration.
    fn complaint(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        log.chars().take(MAX_COMPLAINT).collect()
    }

    /// What to type in another terminal.
    pub(super) fn invitation(&self) -> String {
        let folder = self.folder.path().display();
        let as_workload = |name| {
            format!(
                "curl -i --cacert {folder}/ca.crt --cert {folder}/{name}.crt --key {folder}/{name}.key"
            )
        };
        let (sleep, other) = (as_workload("sleep"), as_workload("other"));
        let (mtls, plain) = (
            format!("https://127.0.0.1:{}", self.port),
            format!("http://127.0.0.1:{}", self.port),
        );
        format!(
            "\nEnvoy is in front, on port {}. Try, in another terminal:\n\
             \n  # allowed: an edge of the call graph\n  {sleep} {mtls}/api/v1/items\n\
             \n  # denied: an admin path\n  {sleep} {mtls}/api/admin\n\
             \n  # denied: a workload of a namespace that is shut out\n  {other} {mtls}/api/v1/items\n\
             \n  # denied: no identity\n  curl -i {plain}/api/v1/items",
            self.port
        )
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself, on the same Ctrl-C.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn find(given: &Path) -> Result<PathBuf> {
    if given != Path::new("") {
        return Ok(given.to_owned());
    }
    let local = Path::new(".tools/envoy");
    if local.exists() {
        return Ok(local.to_owned());
    }
    match Command::new("envoy")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
    {
        Ok(_) => Ok(PathBuf::from("envoy")),
        Err(_) => bail!("no Envoy found: run `make envoy`, or name one with `--envoy PATH`"),
    }
}

/// A root, the proxy's certificate and two workloads, each with its SPIFFE ID.
fn write_certificates(folder: &Path) -> Result<()> {
    let mut root = CertificateParams::new(Vec::new())?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    fs::write(folder.join("ca.crt"), root.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(root, key);
    for (name, id) in WORKLOADS {
        let mut leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        leaf.distinguished_name = DistinguishedName::new();
        leaf.subject_alt_names.push(SanType::URI((*id).try_into()?));
        let key = KeyPair::generate()?;
        fs::write(
            folder.join(format!("{name}.crt")),
            leaf.signed_by(&key, &issuer)?.pem(),
        )?;
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem())?;
    }
    Ok(())
}

const WORKLOADS: [(&str, &str); 3] = [
    ("server", "spiffe://cluster.local/ns/foo/sa/httpbin"),
    ("sleep", "spiffe://cluster.local/ns/foo/sa/sleep"),
    ("other", "spiffe://cluster.local/ns/bar/sa/default"),
];

/// Its log, in the folder.
const LOG: &str = "envoy.log";
/// Most characters of its log in an error.
const MAX_COMPLAINT: usize = 2000;
/// Longest time it may take to listen.
const START_TIME: Duration = Duration::from_secs(30);
/// Between two attempts to reach it.
const POLL: Duration = Duration::from_millis(20);
