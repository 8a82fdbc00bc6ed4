//! How `push` and `pull` reach a registry: the arguments, and the service that they amount to.

use std::{io::Read as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::runtime::Builder;

use super::{Usage, load};
use crate::{
    services::{Client, Credentials, Service, Tls, Token, is_loopback},
    sources::bundles::download::oci::{Address, RegistryError},
};

/// Which registry, and who we are there.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct RegistryArguments {
    /// Believe the authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// User name at the registry
    #[arg(short, long, value_name = "NAME", requires = "password_stdin")]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// Read a token from a file instead, as `credentials.bearer.token_path` in the configuration
    #[arg(long, value_name = "FILE", conflicts_with = "username")]
    token_file: Option<PathBuf>,
    /// Speak HTTP without TLS; to this machine only
    #[arg(long)]
    plain_http: bool,
}

impl RegistryArguments {
    /// The registry that `reference` names, and the reference read.
    pub(super) fn resolve(&self, reference: &str) -> Result<(Client, Address)> {
        let scheme = if self.plain_http { "http" } else { "https" };
        let url = Address::registry(reference, scheme).map_err(failed)?;
        if self.plain_http && !is_loopback(&url) {
            let text = format!("`--plain-http` is for this machine only, not for `{reference}`");
            return Err(Usage(text).into());
        }
        let address = Address::new(reference, &url).map_err(failed)?;
        let service = Service {
            name: "registry".into(),
            url,
            oci: true,
            response_header_timeout: PATIENCE,
            headers: std::collections::BTreeMap::new(),
            tls: Tls {
                ca_cert: self.ca_cert.clone(),
                ..Tls::default()
            },
            credentials: self.credentials()?,
        };
        Ok((Client::new(Arc::new(service)), address))
    }

    fn credentials(&self) -> Result<Credentials> {
        if let Some(path) = &self.token_file {
            return Ok(Credentials::Bearer {
                token: Token::File(path.clone()),
                scheme: "Bearer".to_owned(),
            });
        }
        let Some(name) = &self.username else {
            return Ok(Credentials::None);
        };
        if name.contains(':') {
            return Err(Usage("a user name has no colon".to_owned()).into());
        }
        let mut password = String::new();
        std::io::stdin()
            .take(MAX_PASSWORD)
            .read_to_string(&mut password)
            .context("the password cannot be read from standard input")?;
        let password = password.trim_end_matches(['\r', '\n']);
        Ok(Credentials::Bearer {
            token: Token::Given(format!("{name}:{password}").into()),
            scheme: "Basic".to_owned(),
        })
    }
}

/// Runs what talks to a registry.
pub(super) fn wait<T>(work: impl Future<Output = Result<T, RegistryError>>) -> Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work).map_err(failed)
}

/// What the user gave is told apart from what the registry did.
fn failed(error: RegistryError) -> anyhow::Error {
    let given = matches!(&error, RegistryError::Reference { .. })
        || matches!(&error, RegistryError::Service(error) if error.is_preparation());
    if given {
        load::usage(error)
    } else {
        error.into()
    }
}

/// Longest wait for an answer, what is sent before it included.
const PATIENCE: Duration = Duration::from_mins(10);

/// Longest password in bytes.
const MAX_PASSWORD: u64 = 1 << 16;
