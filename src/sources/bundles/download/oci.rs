//! Bundles in OCI registries, as OPA finds them there: one layer of a manifest.
//!
//! The protocol is spoken here rather than by `oci-client`: that reads manifests, tokens and errors of
//! any length, follows redirects by itself and takes neither our client nor a client certificate. Promises
//! that what is handed over is what the reference names, byte for byte, as far as a digest can tell.

mod address;
mod error;
mod manifest;
mod pull;
mod push;
mod session;
mod token;

use std::sync::Arc;

use reqwest::Url;

pub(crate) use address::Address;
pub(crate) use error::RegistryError;
pub(crate) use pull::{Pulled, pull};
pub(crate) use push::push;

use super::{Archive, Ask, Download, DownloadError};
use crate::services::{Client, Credentials, Service};

/// Asks for one bundle.
#[derive(Debug)]
pub(super) struct Oci {
    client: Client,
    server: Url,
    /// `s3_signing`, which is for other services than registries.
    signs: bool,
    reference: String,
    most: u64,
    place: String,
}

impl Oci {
    pub(super) fn new(service: Arc<Service>, reference: &str, most: u64) -> Self {
        let place = Address::new(reference, &service.url)
            .map_or_else(|_| reference.to_owned(), |address| address.to_string());
        Self {
            server: service.url.clone(),
            signs: matches!(service.credentials, Credentials::S3Signing(_)),
            client: Client::new(service),
            reference: reference.to_owned(),
            most,
            place,
        }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The validator is the digest of the manifest, so that a tag that moves is noticed without
    /// pulling a layer. Registries neither hold requests nor serve deltas.
    pub(super) async fn download(&mut self, ask: Ask<'_>) -> Result<Download, DownloadError> {
        let pulled = self.pull(ask.validator).await;
        let pulled = pulled.map_err(|error| error.of_download(&self.place))?;
        Ok(match pulled {
            None => Download::Unchanged { long_poll: false },
            Some(Pulled { bytes, digest }) => Download::Archive(Archive {
                bytes,
                validator: Some(digest),
                long_poll: false,
            }),
        })
    }

    async fn pull(&self, known: Option<&str>) -> Result<Option<Pulled>, RegistryError> {
        if self.signs {
            return Err(RegistryError::Signing);
        }
        let address = Address::new(&self.reference, &self.server)?;
        pull(&self.client, &address, known, self.most).await
    }
}
