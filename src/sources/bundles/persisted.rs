//! The last good archive of a bundle on disk, where OPA keeps it, so that a restart while its source
//! is away still has a policy.
//!
//! What is kept is the last snapshot: a delta is not, and is asked for again. Whoever can write this
//! folder can only choose among archives that verify; where nothing is verified it decides what the
//! policy is, so it belongs to the server alone. Files are replaced as a whole, after the activation,
//! and what is read goes through everything that a download goes through.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    task::{JoinError, JoinHandle, spawn_blocking},
    time::timeout,
};

use crate::{digest::Digest, sources::disk};

/// Why a bundle on disk is not used, or not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum PersistedError {
    /// It cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is longer than an archive may be.
    #[error("`{}` is longer than {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit on archives.
        most: u64,
    },
    /// It cannot be written.
    #[error("`{}` cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is no bundle that may become active.
    #[error("`{}` cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk does not answer in time.
    #[error("the disk takes too long")]
    Slow,
    /// Reading or writing ended in a panic.
    #[error("keeping the bundle on disk failed inside")]
    Internal(#[source] JoinError),
}

/// The file of one bundle.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    /// What is in it, as far as this process knows.
    written: Option<Digest>,
    /// A write that took too long, and may go on.
    writing: Option<JoinHandle<Result<(), PersistedError>>>,
}

impl Store {
    /// The file of the bundle `name` below `directory`.
    pub(super) fn new(directory: &Path, name: &str) -> Self {
        let folder = directory.join("bundles").join(disk::path(name));
        Self {
            path: folder.join("bundle.tar.gz"),
            written: None,
            writing: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The archive that was written last, of at most `most` bytes; `None` when there is none.
    pub(super) async fn load(&self, most: u64) -> Result<Option<Bytes>, PersistedError> {
        let path = self.path.clone();
        let read = timeout(PATIENCE, spawn_blocking(move || read(&path, most))).await;
        let read = read.map_err(|_elapsed| PersistedError::Slow)?;
        read.map_err(PersistedError::Internal)?
    }

    /// Notes that the archive with this digest is the one on disk.
    pub(super) fn holds(&mut self, digest: Digest) {
        self.written = Some(digest);
    }

    /// Writes an archive, unless it is there already; whether it was written.
    pub(super) async fn save(
        &mut self,
        archive: &Bytes,
        digest: Digest,
    ) -> Result<bool, PersistedError> {
        if self.written == Some(digest) {
            return Ok(false);
        }
        if self
            .writing
            .as_ref()
            .is_some_and(|write| !write.is_finished())
        {
            return Err(PersistedError::Slow);
        }
        self.written = None;
        let (path, archive) = (self.path.clone(), archive.clone());
        let mut writing = spawn_blocking(move || {
            let written = disk::replace(&path, &archive);
            written.map_err(|source| PersistedError::Write { path, source })
        });
        let Ok(written) = timeout(PATIENCE, &mut writing).await else {
            self.writing = Some(writing);
            return Err(PersistedError::Slow);
        };
        written.map_err(PersistedError::Internal)??;
        self.written = Some(digest);
        Ok(true)
    }
}

fn read(path: &Path, most: u64) -> Result<Option<Bytes>, PersistedError> {
    let unreadable = |source| PersistedError::Read {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
        Ok(found) if !found.is_file() => {
            return Err(unreadable(io::Error::other("not a regular file")));
        }
        Ok(_) => {}
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(most.saturating_add(1));
    let read = bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > most {
        return Err(PersistedError::TooLarge {
            path: path.to_owned(),
            most,
        });
    }
    Ok(Some(bytes.into()))
}

/// A disk that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
