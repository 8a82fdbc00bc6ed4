//! Bundles in object stores: S3, Google Cloud Storage, Azure Blob Storage.

use std::sync::Arc;

use super::{Ask, Download, DownloadError};
use crate::services::Service;

/// Asks for one bundle.
#[derive(Debug)]
pub(super) struct Object {
    place: String,
}

impl Object {
    pub(super) fn new(service: Arc<Service>, resource: &str, most: u64) -> Self {
        let _ = most;
        Self {
            place: format!("{}/{resource}", service.url),
        }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) async fn download(&mut self, ask: Ask<'_>) -> Result<Download, DownloadError> {
        let _ = ask;
        Err(DownloadError::Status {
            place: self.place.clone(),
            status: 501,
        })
    }
}
