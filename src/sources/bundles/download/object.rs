//! Bundles in object stores: S3, Google Cloud Storage, Azure Blob Storage.
//!
//! A store is configured as its own tools are: by the variables `AWS_*`, `GOOGLE_*` and `AZURE_*`, which
//! `object_store` reads from the environment (for them the rule that only the command line does so is
//! lifted), then by the service's `credentials`, then by its URL. Its requests go through our own
//! client: our TLS settings, no redirects, no repetition, and bounds on time and size.

mod connector;
mod store;

use std::{iter, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::LengthLimitError;
use object_store::{Error, GetOptions, ObjectStore, path::Path};
use reqwest::Url;
use tokio::task::spawn_blocking;
use tokio_util::task::AbortOnDropHandle;

use connector::Connector;

use super::{Archive, Ask, Download, DownloadError};
use crate::services::{Client, Service};

/// Asks for one bundle.
#[derive(Debug)]
pub(super) struct Object {
    client: Client,
    url: Url,
    resource: String,
    most: u64,
    place: String,
}

impl Object {
    pub(super) fn new(service: Arc<Service>, resource: &str, most: u64) -> Self {
        Self {
            place: store::place(&service.url, resource),
            url: service.url.clone(),
            client: Client::new(service),
            resource: resource.to_owned(),
            most,
        }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The validator is the entity tag of the object. Stores neither hold requests nor serve deltas.
    pub(super) async fn download(&mut self, ask: Ask<'_>) -> Result<Download, DownloadError> {
        match tokio::time::timeout(LONGEST, self.get(ask.validator)).await {
            Ok(download) => download,
            Err(elapsed) => Err(self.transport(elapsed)),
        }
    }

    async fn get(&self, known: Option<&str>) -> Result<Download, DownloadError> {
        let (store, path) = self.open().await?;
        let options = GetOptions {
            if_none_match: known.map(str::to_owned),
            ..GetOptions::default()
        };
        // The library panics over what cannot stand in a header, wherever that comes from.
        let asking = tokio::spawn(async move { store.get_opts(&path, options).await });
        let asked = AbortOnDropHandle::new(asking).await;
        let object = match asked.map_err(|panicked| self.unprepared(panicked))? {
            Err(Error::NotModified { .. }) if known.is_some() => {
                return Ok(Download::Unchanged { long_poll: false });
            }
            other => other.map_err(|error| self.failed(error))?,
        };
        if object.meta.size > self.most {
            return Err(self.too_large());
        }
        let validator = object.meta.e_tag.clone();
        Ok(Download::Archive(Archive {
            bytes: self.read(object.into_stream()).await?,
            validator: validator.filter(|tag| tag.len() <= MOST_ETAG),
            long_poll: false,
        }))
    }

    /// A store lives for one download.
    async fn open(&self) -> Result<(Box<dyn ObjectStore>, Path), DownloadError> {
        let keys = self.client.keys().await;
        let keys = keys.map_err(|source| self.unprepared(source))?;
        let client = self.client.beneath(&self.url, true).await;
        let connector = Connector {
            client: client.map_err(|source| self.unprepared(source))?,
            most: self.most,
            patience: self.client.patience(),
        };
        let (url, resource) = (self.url.clone(), self.resource.clone());
        // Reads files that the store's settings name.
        match spawn_blocking(move || store::open(&url, &resource, keys, connector)).await {
            Ok(opened) => opened.map_err(|source| self.unprepared(source)),
            Err(stopped) => Err(self.unprepared(stopped)),
        }
    }

    async fn read(
        &self,
        mut chunks: impl futures_util::Stream<Item = Result<Bytes, Error>> + Unpin,
    ) -> Result<Bytes, DownloadError> {
        let patience = self.client.patience();
        let mut bytes = Vec::new();
        loop {
            let next = tokio::time::timeout(patience, chunks.next()).await;
            let Some(chunk) = next.map_err(|elapsed| self.transport(elapsed))? else {
                return Ok(bytes.into());
            };
            let chunk = chunk.map_err(|error| self.failed(error))?;
            let length = bytes.len().saturating_add(chunk.len());
            if u64::try_from(length).unwrap_or(u64::MAX) > self.most {
                return Err(self.too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
    }

    fn failed(&self, error: Error) -> DownloadError {
        let status = if matches!(error, Error::NotFound { .. }) {
            404
        } else if matches!(error, Error::PermissionDenied { .. }) {
            403
        } else if matches!(error, Error::Unauthenticated { .. }) {
            401
        } else if is_too_long(&error) {
            return self.too_large();
        } else {
            return self.transport(error);
        };
        DownloadError::Status {
            place: self.place.clone(),
            status,
        }
    }

    fn too_large(&self) -> DownloadError {
        DownloadError::TooLarge {
            place: self.place.clone(),
            most: self.most,
        }
    }

    fn transport(&self, source: impl std::error::Error + Send + Sync + 'static) -> DownloadError {
        DownloadError::Transport {
            place: self.place.clone(),
            source: Box::new(source),
        }
    }

    fn unprepared(&self, source: impl std::error::Error + Send + Sync + 'static) -> DownloadError {
        DownloadError::Prepare {
            place: self.place.clone(),
            source: Box::new(source),
        }
    }
}

/// Whether the bound of the connector was hit.
fn is_too_long(error: &Error) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    iter::successors(Some(first), |error| error.source())
        .any(<dyn std::error::Error>::is::<LengthLimitError>)
}

/// Longest download: ends one that drips.
const LONGEST: Duration = Duration::from_mins(30);

/// Longest entity tag that is remembered, in bytes.
const MOST_ETAG: usize = 512;
