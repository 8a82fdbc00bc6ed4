//! How commands reach a running gate: TCP or a Unix socket, with TLS or without.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{self, Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};

use super::{Usage, load::usage};
use crate::config::ListenAddr;

/// TLS to the gate.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct TlsArguments {
    /// Use TLS, and trust gates whose certificate is signed by one of these, PEM
    #[arg(long = "tls-ca", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our certificate chain, PEM
    #[arg(long = "tls-cert", value_name = "FILE", requires_all = ["ca", "key"])]
    cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long = "tls-key", value_name = "FILE", requires_all = ["ca", "cert"])]
    key: Option<PathBuf>,
    /// The name in the gate's certificate, when it is not the host of the address
    #[arg(long = "tls-server-name", value_name = "NAME", requires = "ca")]
    server_name: Option<String>,
}

/// A gate.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    address: ListenAddr,
    endpoint: Endpoint,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Gate {
    /// The gate that listens at `address`.
    pub(super) fn new(address: ListenAddr, tls: &TlsArguments) -> Result<Self> {
        let tls = tls.config()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let authority = match &address {
            ListenAddr::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            ListenAddr::Tcp { host, port } if host.is_empty() => format!("localhost:{port}"),
            ListenAddr::Tcp { host, port } => format!("{host}:{port}"),
            ListenAddr::Unix(_) | ListenAddr::Abstract(_) => "localhost".to_owned(),
        };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{authority}")).map_err(usage)?;
        let endpoint = patient(endpoint);
        let endpoint = match tls {
            Some(tls) => endpoint.tls_config(tls).map_err(usage)?,
            None => endpoint,
        };
        Ok(Self { address, endpoint })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Channel> {
        let connected = match &self.address {
            ListenAddr::Tcp { .. } => self.endpoint.connect().await,
            ListenAddr::Unix(path) => self.connect_to(path).await,
            // So the kernel tells abstract names from paths.
            ListenAddr::Abstract(name) => self.connect_to(Path::new(&format!("\0{name}"))).await,
        };
        connected.with_context(|| format!("cannot reach a gate at `{self}`"))
    }

    async fn connect_to(&self, socket: &Path) -> Result<Channel, transport::Error> {
        let socket = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        self.endpoint.connect_with_connector(connector).await
    }
}

/// A gate that is gone is noticed, however quiet it was before.
fn patient(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(PATIENCE)
        .http2_keep_alive_interval(PATIENCE)
        .keep_alive_timeout(PATIENCE)
        .keep_alive_while_idle(true)
}

impl TlsArguments {
    /// Whether TLS is asked for.
    pub(super) fn is_given(&self) -> bool {
        self.ca.is_some()
    }

    /// `None`: without TLS.
    fn config(&self) -> Result<Option<ClientTlsConfig>> {
        let Some(authorities) = &self.ca else {
            return Ok(None);
        };
        let mut config =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(authorities)?));
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        if let Some(name) = &self.server_name {
            config = config.domain_name(name);
        }
        Ok(Some(config))
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>> {
    let unreadable = |error| Usage(format!("cannot read `{}`: {error}", path.display()));
    Ok(fs::read(path).map_err(unreadable)?)
}

/// How long a gate may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
