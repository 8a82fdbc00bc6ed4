//! Bundles in OCI registries.

use std::sync::Arc;

use super::{Ask, Download, DownloadError};
use crate::services::Service;

/// Asks for one bundle.
#[derive(Debug)]
pub(super) struct Oci {
    place: String,
}

impl Oci {
    pub(super) fn new(service: Arc<Service>, reference: &str, most: u64) -> Self {
        let _ = most;
        Self {
            place: format!("{}/{reference}", service.url),
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
