//! The last good keys on disk, so that a restart while the issuer is away still has them.
//!
//! Whoever can write this folder decides which tokens are good: it belongs to the server alone. Files
//! are replaced as a whole, and what is read goes through the same parser as what is fetched.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{FetchError, fetch::Validator, http};
use crate::sources::disk;

/// Why keys on disk are not used, or are not written.
#[derive(Debug, thiserror::Error)]
pub enum PersistedError {
    /// The file cannot be read.
    #[error("the keys on disk cannot be read")]
    Read(#[source] FetchError),
    /// The file or its folder cannot be written.
    #[error("`{}` cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Not what this server writes.
    #[error("`{}` is not a file of keys", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The provider has been configured anew since.
    #[error("the keys on disk come from `{0}`, not from what is configured")]
    OtherSource(String),
    /// Too old to be trusted.
    #[error("the keys on disk are {} seconds old", .0.as_secs())]
    TooOld(Duration),
    /// The clock was wrong then, or is now.
    #[error("the keys on disk come from the future")]
    Future,
    /// The keys themselves.
    #[error("the keys on disk cannot be used")]
    Keys(#[source] FetchError),
    /// The disk does not answer in time.
    #[error("the disk takes too long")]
    Slow,
    /// Reading or writing ended in a panic.
    #[error("keeping the keys on disk failed inside")]
    Internal(#[source] tokio::task::JoinError),
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// From where, for people.
    pub(super) source: String,
    /// From where, to compare.
    pub(super) source_id: String,
    /// When the keys were last fetched or confirmed, in seconds since the Unix epoch.
    pub(super) fetched_at: u64,
    /// For how long they were fresh then, in seconds.
    pub(super) interval: u64,
    pub(super) validator: Option<Validator>,
    /// The text of the key set.
    pub(super) jwks: String,
}

impl Record {
    /// How much longer the keys may be used at `now`, if they are those of `source_id`; they were fresh
    /// for `longest` at most, and may be used for `max_stale` after that.
    pub(super) fn usable_for(
        &self,
        source_id: &str,
        now: Duration,
        longest: Duration,
        max_stale: Duration,
    ) -> Result<Duration, PersistedError> {
        if self.source_id != source_id {
            return Err(PersistedError::OtherSource(self.source.clone()));
        }
        let age = now.checked_sub(Duration::from_secs(self.fetched_at));
        let age = age.ok_or(PersistedError::Future)?;
        let fresh = Duration::from_secs(self.interval).min(longest);
        let left = fresh.saturating_add(max_stale).saturating_sub(age);
        if left.is_zero() {
            return Err(PersistedError::TooOld(age));
        }
        Ok(left)
    }
}

/// The file of one provider.
#[derive(Clone, Debug)]
pub(super) struct Store {
    path: PathBuf,
}

impl Store {
    /// The file of `provider` below `directory`.
    pub(super) fn new(directory: &Path, provider: &str) -> Self {
        let folder = directory.join("portcullis").join("jwks");
        Self {
            path: folder.join(format!("{}.json", disk::name(provider))),
        }
    }

    /// What was written last; `None` when there is nothing. The keys in it have at most `most` bytes.
    /// Blocks.
    pub(super) fn read(&self, most: usize) -> Result<Option<Record>, PersistedError> {
        // A string in JSON is at most six times as long as its text.
        let most = most.saturating_mul(6).saturating_add(MAX_BESIDES);
        let bytes = match http::read(&self.path, most) {
            Ok(bytes) => bytes,
            Err(FetchError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(PersistedError::Read(error)),
        };
        let record = serde_json::from_slice(&bytes).map_err(|source| PersistedError::Format {
            path: self.path.clone(),
            source,
        })?;
        Ok(Some(record))
    }

    /// Replaces what was written last, in one step. Blocks.
    pub(super) fn write(&self, record: &Record) -> Result<(), PersistedError> {
        self.replace(record)
            .map_err(|source| PersistedError::Write {
                path: self.path.clone(),
                source,
            })
    }

    fn replace(&self, record: &Record) -> io::Result<()> {
        disk::replace(&self.path, &serde_json::to_vec_pretty(record)?)
    }
}

/// Room for what stands beside the keys, in bytes.
const MAX_BESIDES: usize = 1 << 16;

#[cfg(test)]
mod tests;
