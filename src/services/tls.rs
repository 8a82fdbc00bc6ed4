//! The clients that a service is asked with: made anew when one of their files has changed.

use std::path::Path;

use reqwest::{Certificate, ClientBuilder, Identity, redirect, retry};
use tokio::{sync::Mutex, task::spawn_blocking};

use super::{ClientTls, Credentials, Service, Tls, error::ServiceError};
use crate::{
    digest::{self, Digest},
    small_file,
    version::VERSION,
};

/// Whom a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// The service itself, which sees our certificate; others do not.
    pub(super) own: bool,
    /// This machine, which is asked without a proxy.
    pub(super) loopback: bool,
    /// TLS; a machine without authorities can do without them otherwise.
    pub(super) encrypted: bool,
}

/// Makes clients and keeps the last one for each kind of peer.
#[derive(Debug)]
pub(super) struct Clients {
    tls: Tls,
    identity: Option<ClientTls>,
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    peer: Peer,
    of: Digest,
    client: reqwest::Client,
}

/// What the files hold.
struct Material {
    authorities: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Clients {
    pub(super) fn new(service: &Service) -> Self {
        let identity = match &service.credentials {
            Credentials::ClientTls(files) => Some(files.clone()),
            Credentials::None
            | Credentials::Bearer { .. }
            | Credentials::OAuth2(_)
            | Credentials::S3Signing(_) => None,
        };
        Self {
            tls: service.tls.clone(),
            identity,
            kept: Mutex::default(),
        }
    }

    /// The client for `peer`. Its files are read each time, so that one that is replaced is used at
    /// once.
    pub(super) async fn client(&self, peer: Peer) -> Result<reqwest::Client, ServiceError> {
        let tls = self.tls.clone();
        let identity = self.identity.clone().filter(|_| peer.own);
        let mut kept = self.kept.lock().await;
        let last = kept.iter().position(|kept| kept.peer == peer);
        let last = last.map(|at| kept.swap_remove(at));
        // Reads files, those of the system's authorities too.
        let made = spawn_blocking(move || {
            let material = Material::read(&tls, identity.as_ref())?;
            let of = material.digest();
            if let Some(last) = last
                && last.of == of
            {
                return Ok(last);
            }
            let client = build(peer, &tls, identity.as_ref(), &material)?;
            Ok(Kept { peer, of, client })
        });
        let made = made.await.map_err(ServiceError::Internal)??;
        let client = made.client.clone();
        kept.push(made);
        Ok(client)
    }
}

impl Material {
    fn read(tls: &Tls, identity: Option<&ClientTls>) -> Result<Self, ServiceError> {
        let pem = |path: &Path| small_file::read(path, MOST_PEM).map_err(ServiceError::File);
        Ok(Self {
            authorities: tls.ca_cert.as_deref().map(pem).transpose()?,
            identity: identity
                .map(|files| Ok((pem(&files.cert)?, pem(&files.private_key)?)))
                .transpose()?,
        })
    }

    fn digest(&self) -> Digest {
        let (certificate, key) = match &self.identity {
            Some((certificate, key)) => (certificate.as_slice(), key.as_slice()),
            None => Default::default(),
        };
        let authorities = self.authorities.as_deref().unwrap_or_default();
        digest::of_parts([authorities, certificate, key])
    }
}

fn build(
    peer: Peer,
    tls: &Tls,
    identity: Option<&ClientTls>,
    material: &Material,
) -> Result<reqwest::Client, ServiceError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(format!("portcullis/{VERSION}"))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .http2_max_header_list_size(MOST_HEADER_LIST)
        // An archive is compressed itself, and is wanted so.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd();
    if peer.loopback {
        builder = builder.no_proxy();
    }
    builder = believing(builder, peer, tls, material)?;
    if let (Some(files), Some((certificate, key))) = (identity, &material.identity) {
        let both = [certificate.as_slice(), b"\n", key].concat();
        let identity = Identity::from_pem(&both).map_err(|source| ServiceError::Pem {
            path: files.cert.clone(),
            source,
        })?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(ServiceError::Client)
}

fn believing(
    builder: ClientBuilder,
    peer: Peer,
    tls: &Tls,
    material: &Material,
) -> Result<ClientBuilder, ServiceError> {
    let builder = builder.tls_danger_accept_invalid_certs(tls.insecure);
    let (Some(path), Some(pem)) = (&tls.ca_cert, &material.authorities) else {
        return Ok(if peer.encrypted && !tls.insecure {
            builder
        } else {
            builder.tls_certs_only([])
        });
    };
    let authorities = Certificate::from_pem_bundle(pem).map_err(|source| ServiceError::Pem {
        path: path.clone(),
        source,
    })?;
    if authorities.is_empty() {
        return Err(ServiceError::NoAuthority(path.clone()));
    }
    Ok(if tls.system_ca_required {
        builder.tls_certs_merge(authorities)
    } else {
        builder.tls_certs_only(authorities)
    })
}

/// Largest PEM file in bytes; all authorities there are fit.
const MOST_PEM: u64 = 1 << 20;
/// Largest list of headers of an answer over HTTP/2, in bytes.
const MOST_HEADER_LIST: u32 = 64 * 1024;
