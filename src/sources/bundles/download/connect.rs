//! Clients for registries and object stores, made from a [`Service`].
//!
//! A client lives for one download, so that new certificate files are seen without watching them. It
//! follows no redirect and repeats no request by itself.

use std::{io::Read as _, path::Path, time::Duration};

use reqwest::{Certificate, Client, ClientBuilder, Identity, redirect, retry};

use crate::{
    services::{ClientTls, Credentials, Service},
    version::VERSION,
};

/// What a client is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose {
    /// Whether it shows the client certificate of the service, if there is one.
    pub(super) with_identity: bool,
    /// Whether it refuses `http`.
    pub(super) encrypted: bool,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// A file cannot be read.
    #[error("cannot read `{path}`")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than any that is fit.
    #[error("`{path}` is longer than {MAX_FILE} bytes")]
    LongFile {
        /// The file.
        path: String,
    },
    /// A file does not hold what it should.
    #[error("`{path}` holds no usable certificates or key in PEM")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: reqwest::Error,
    },
    /// A file of authorities without any.
    #[error("`{path}` holds no certificate")]
    NoAuthority {
        /// The file.
        path: String,
    },
    /// The parts do not make a client.
    #[error("the client cannot be made")]
    Client(#[source] reqwest::Error),
}

/// A client for `service`. Reads files: blocks.
pub(super) fn client(service: &Service, purpose: Purpose) -> Result<Client, ConnectError> {
    let mut builder = Client::builder()
        .user_agent(format!("portcullis/{VERSION}"))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .https_only(purpose.encrypted)
        .tls_danger_accept_invalid_certs(service.tls.insecure)
        .connect_timeout(CONNECT_TIMEOUT);
    if let Some(path) = &service.tls.ca_cert {
        let authorities = authorities(path)?;
        builder = if service.tls.system_ca_required {
            builder.tls_certs_merge(authorities)
        } else {
            builder.tls_certs_only(authorities)
        };
    } else if service.url.scheme() == "http" {
        // A machine without authorities can do without them here.
        builder = builder.tls_certs_only([]);
    }
    if let Credentials::ClientTls(files) = &service.credentials
        && purpose.with_identity
    {
        builder = with_identity(builder, files)?;
    }
    builder.build().map_err(ConnectError::Client)
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, ConnectError> {
    let shown = path.display().to_string();
    let authorities =
        Certificate::from_pem_bundle(&read(path)?).map_err(|source| ConnectError::Pem {
            path: shown.clone(),
            source,
        })?;
    if authorities.is_empty() {
        return Err(ConnectError::NoAuthority { path: shown });
    }
    Ok(authorities)
}

fn with_identity(builder: ClientBuilder, files: &ClientTls) -> Result<ClientBuilder, ConnectError> {
    let mut both = read(&files.cert)?;
    both.push(b'\n');
    both.extend(read(&files.private_key)?);
    let identity = Identity::from_pem(&both).map_err(|source| ConnectError::Pem {
        path: files.cert.display().to_string(),
        source,
    })?;
    Ok(builder.identity(identity))
}

/// Reads a regular file: a certificate, a key, a token. Blocks.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, ConnectError> {
    let shown = || path.display().to_string();
    let unreadable = |source| ConnectError::File {
        path: shown(),
        source,
    };
    // Asked before it is opened: to open a pipe is to wait for somebody who writes.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(std::io::ErrorKind::InvalidInput.into()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(ConnectError::LongFile { path: shown() });
    }
    Ok(bytes)
}

/// Largest file of certificates, keys or tokens, in bytes; all authorities there are fit.
const MAX_FILE: u64 = 1 << 20;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
