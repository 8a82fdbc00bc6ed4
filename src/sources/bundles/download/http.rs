//! Bundles over HTTP(S), as OPA's REST service serves them.

use std::sync::Arc;

use super::{Ask, Download, DownloadError};
use crate::services::Service;

/// Asks for one bundle.
#[derive(Debug)]
pub(super) struct Http {
    place: String,
}

impl Http {
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
