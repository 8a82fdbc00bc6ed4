//! A real Envoy in front of the demo, with a small mesh PKI of its own in a temporary folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair, SanType,
};
use tempfile::TempDir;

/// A running Envoy; ended and cleaned up when dropped.
#[derive(Debug)]
pub(super) struct Envoy {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Envoy {
    /// Starts `binary` (empty: wherever one is found) on `port`, asking the gate on `gate`.
    pub(super) fn start(binary: &Path, port: u16, gate: u16) -> Result<Self> {
        let binary = find(binary)?;
        let folder = TempDir::new()?;
        write_certificates(folder.path())?;
        let config = folder.path().join("envoy.yaml");
        let text = include_str!("envoy.yaml")
            .replace("@PKI@", &folder.path().display().to_string())
            .replace("@PORT@", &port.to_string())
            .replace("@GATE@", &gate.to_string());
        fs::write(&config, text)?;
        let child = Command::new(&binary)
            .args(["--concurrency", "1", "--use-dynamic-base-id", "-l", "error", "-c"])
            .arg(&config)
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start `{}`", binary.display()))?;
        Ok(Self {
            child,
            folder,
            port,
        })
    }

    /// What to type in another terminal.
    pub(super) fn invitation(&self) -> String {
        let folder = self.folder.path().display();
        let as_workload = |name| {
            format!("curl -i --cacert {folder}/ca.crt --cert {folder}/{name}.crt --key {folder}/{name}.key")
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
        let _ = self.child.kill().is_ok();
        let _ = self.child.wait().is_ok();
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
    match Command::new("envoy").arg("--version").stdout(Stdio::null()).status() {
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
