//! Bundles in files: an archive, or a folder laid out like one.

use std::path::{Path, PathBuf};

use super::{Ask, Download, DownloadError};

/// Reads one bundle.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    place: String,
}

impl File {
    pub(super) fn new(path: &Path, most: u64) -> Self {
        let _ = most;
        Self {
            path: path.to_owned(),
            place: path.display().to_string(),
        }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) async fn download(&mut self, ask: Ask<'_>) -> Result<Download, DownloadError> {
        let _ = ask;
        Err(DownloadError::File {
            path: self.path.clone(),
            source: std::io::ErrorKind::Unsupported.into(),
        })
    }
}
