//! How `portcullis observe` reaches the gate: TCP, TCP with TLS, or a Unix socket.

use std::{fmt, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};

use super::super::{Usage, load::usage};
use crate::{config::ListenAddr, observe::proto::observer_client::ObserverClient};

/// TLS to the gate.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct TlsArguments {
    /// Use TLS, and trust gates whose certificate is signed by one of these, PEM
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Our certificate chain, PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_cert"])]
    tls_key: Option<PathBuf>,
    /// The name in the gate's certificate, when it is not the host of the address
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_server_name: Option<String>,
}

/// A gate.
#[derive(Clone, Debug)]
pub(super) struct Server {
    address: String,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Tcp(Endpoint),
    Unix(PathBuf),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl Server {
    /// The gate at `address`.
    pub(super) fn new(address: &str, tls: &TlsArguments) -> Result<Self> {
        let listens: ListenAddr = address.parse().map_err(usage)?;
        let tls = tls.config()?;
        let way = match (listens, tls) {
            (ListenAddr::Tcp { host, port }, tls) => Way::Tcp(endpoint(&host, port, tls)?),
            (ListenAddr::Unix(path), None) => Way::Unix(path),
            (ListenAddr::Unix(_) | ListenAddr::Abstract(_), _) => {
                let text = format!("decisions are not shown at `{address}`, or not with TLS");
                return Err(Usage(text).into());
            }
        };
        let address = address.to_owned();
        Ok(Self { address, way })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<ObserverClient<Channel>> {
        let connected = match &self.way {
            Way::Tcp(endpoint) => endpoint.connect().await,
            Way::Unix(path) => {
                let path = path.clone();
                let connector = tower::service_fn(move |_: Uri| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                });
                let endpoint = patient(Endpoint::from_static("http://localhost"));
                endpoint.connect_with_connector(connector).await
            }
        };
        let channel = connected.with_context(|| format!("cannot reach a gate at `{self}`"))?;
        Ok(ObserverClient::new(channel))
    }
}

fn endpoint(host: &str, port: u16, tls: Option<ClientTlsConfig>) -> Result<Endpoint> {
    let host = match host {
        "" => "localhost".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{host}:{port}")).map_err(usage)?;
    let endpoint = patient(endpoint);
    match tls {
        Some(tls) => endpoint.tls_config(tls).map_err(usage),
        None => Ok(endpoint),
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
    /// `None`: without TLS.
    fn config(&self) -> Result<Option<ClientTlsConfig>> {
        let Some(authorities) = &self.tls_ca else {
            return Ok(None);
        };
        let mut config =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(authorities)?));
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        if let Some(name) = &self.tls_server_name {
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
