//! The clients that requests are sent with: one for plain HTTP, one for each set of certificates.
//!
//! Every client connects to nothing but what [`super::address`] lets through, follows no redirect and
//! uses no proxy: a proxy would resolve names by itself.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use moka::sync::Cache;
use reqwest::{Certificate, Client, Identity, redirect, retry};
use tokio::task::spawn_blocking;

use super::{
    Options,
    address::Guarded,
    allow::Scheme,
    error::{SendError, causes},
    fields::{Fields, invalid, refused},
};
use crate::{
    digest::{self, Digest},
    small_file::{self, SmallFileError},
    version::VERSION,
};

/// The `tls_*` keys of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    system: bool,
    authority: Option<Pem>,
    identity: Option<(Pem, Pem)>,
}

/// Certificates or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pem {
    Text(String),
    File(PathBuf),
}

impl Settings {
    pub(super) fn read(fields: Fields<'_>) -> Result<Self, SendError> {
        for key in [
            "tls_ca_cert_env_variable",
            "tls_client_cert_env_variable",
            "tls_client_key_env_variable",
        ] {
            if fields.get(key).is_some() {
                return Err(refused(format!(
                    "`{key}` is refused, as the environment is not the policy's: use a file of \
                     `portcullis.http_send.tls_files`"
                )));
            }
        }
        let pem = |text: &'static str, file: &'static str| {
            let text = fields
                .text(text)?
                .map(|text| Pem::Text(text.replace("\\n", "\n")));
            let file = fields.text(file)?.map(|path| Pem::File(path.into()));
            Ok(text.or(file))
        };
        let certificate = pem("tls_client_cert", "tls_client_cert_file")?;
        let key = pem("tls_client_key", "tls_client_key_file")?;
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(invalid(
                    "a client certificate needs its key, and a key its certificate",
                ));
            }
        };
        Ok(Self {
            system: fields.flag("tls_use_system_certs")?,
            authority: pem("tls_ca_cert", "tls_ca_cert_file")?,
            identity,
        })
    }
}

/// Makes clients and keeps them.
#[derive(Debug)]
pub(super) struct Clients {
    kept: Cache<Digest, Client>,
    files: Arc<[PathBuf]>,
    resolver: Arc<Guarded>,
    most_idle: usize,
}

/// Everything that a client is made of.
#[derive(Default)]
struct Material {
    system: bool,
    authority: Option<Vec<u8>>,
    identity: Option<Vec<u8>>,
}

impl Clients {
    pub(super) fn new(options: &Options, resolver: Guarded) -> Self {
        Self {
            kept: Cache::new(MOST_CLIENTS),
            files: options.tls_files.clone().into(),
            resolver: Arc::new(resolver),
            most_idle: options.max_in_flight_per_host,
        }
    }

    /// The client for requests with these settings. Files are read each time, so that one that is
    /// replaced is used at once.
    pub(super) async fn client(
        &self,
        scheme: Scheme,
        settings: &Settings,
    ) -> Result<Client, SendError> {
        let plain = scheme == Scheme::Http;
        let usual = plain || *settings == Settings::default();
        let name: &[u8] = if plain { b"plain" } else { b"system" };
        let key = digest::of_parts([name]);
        if usual && let Some(client) = self.kept.get(&key) {
            return Ok(client);
        }
        let (kept, files) = (self.kept.clone(), Arc::clone(&self.files));
        let (resolver, most_idle) = (Arc::clone(&self.resolver), self.most_idle);
        let settings = settings.clone();
        // Reads files, those of the system's authorities too.
        let built = spawn_blocking(move || {
            let (key, material) = if usual {
                let system = !plain;
                (
                    key,
                    Material {
                        system,
                        ..Material::default()
                    },
                )
            } else {
                let material = Material::read(&settings, &files)?;
                (material.key(), material)
            };
            if let Some(client) = kept.get(&key) {
                return Ok(client);
            }
            let client = build(&material, resolver, most_idle)?;
            kept.insert(key, client.clone());
            Ok(client)
        });
        built.await.unwrap_or(Err(SendError::GivenUp))
    }
}

impl Material {
    fn read(settings: &Settings, files: &[PathBuf]) -> Result<Self, SendError> {
        let read = |pem: &Pem| match pem {
            Pem::Text(text) => Ok(text.clone().into_bytes()),
            Pem::File(path) => read_file(path, files),
        };
        let identity = match &settings.identity {
            None => None,
            Some((certificate, key)) => {
                let mut both = read(certificate)?;
                both.push(b'\n');
                both.extend(read(key)?);
                Some(both)
            }
        };
        let authority = settings.authority.as_ref().map(read).transpose()?;
        Ok(Self {
            system: settings.system || authority.is_none(),
            authority,
            identity,
        })
    }

    fn key(&self) -> Digest {
        let part = |pem: &Option<Vec<u8>>| pem.clone().unwrap_or_default();
        digest::of_parts([
            if self.system { &b"system"[..] } else { b"" },
            &part(&self.authority),
            &part(&self.identity),
        ])
    }
}

fn build(
    material: &Material,
    resolver: Arc<Guarded>,
    most_idle: usize,
) -> Result<Client, SendError> {
    let unusable = |what: &str, error: reqwest::Error| {
        let why = causes(&error.without_url());
        SendError::Certificates(format!("{what}: {why}"))
    };
    let mut builder = Client::builder()
        .user_agent(format!("portcullis/{VERSION}"))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .pool_max_idle_per_host(most_idle)
        .http2_max_header_list_size(MOST_HEADER_LIST)
        .dns_resolver(resolver);
    if let Some(pem) = &material.authority {
        let authorities = Certificate::from_pem_bundle(pem)
            .map_err(|error| unusable("the authority is no certificate", error))?;
        if authorities.is_empty() {
            return Err(invalid("the authority holds no certificate"));
        }
        builder = if material.system {
            builder.tls_certs_merge(authorities)
        } else {
            builder.tls_certs_only(authorities)
        };
    } else if !material.system {
        // A machine without authorities can do without them here.
        builder = builder.tls_certs_only([]);
    }
    if let Some(pem) = &material.identity {
        let identity = Identity::from_pem(pem)
            .map_err(|error| unusable("the client certificate cannot be used", error))?;
        builder = builder.identity(identity);
    }
    let client = builder.build();
    client.map_err(|error| unusable("no client with these certificates", error))
}

/// Reads a file that the configuration names. Blocks.
fn read_file(path: &Path, files: &[PathBuf]) -> Result<Vec<u8>, SendError> {
    let shown = path.display();
    if !files.iter().any(|file| file == path) {
        return Err(refused(format!(
            "the file `{shown}` is not allowed: name it in `portcullis.http_send.tls_files`"
        )));
    }
    small_file::read(path, MOST_PEM).map_err(|error| match error {
        SmallFileError::Unreadable { source, .. } => {
            SendError::Certificates(format!("the file `{shown}` cannot be read: {source}"))
        }
        SmallFileError::NotRegular(_) | SmallFileError::TooLarge { .. } => {
            refused(format!("`{shown}` is no file of at most {MOST_PEM} bytes"))
        }
    })
}

/// Most sets of certificates that have a client at once.
const MOST_CLIENTS: u64 = 64;
/// Largest PEM file in bytes; all authorities there are fit.
const MOST_PEM: u64 = 1 << 20;
/// Largest list of headers of an answer over HTTP/2, in bytes.
const MOST_HEADER_LIST: u32 = 64 * 1024;
