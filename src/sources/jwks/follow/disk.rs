//! The keys of one provider on disk: read once at start, written when they change or get old.

use std::{path::Path, time::Duration};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use super::Good;
use crate::sources::jwks::{
    PersistedError, Source, fetch,
    persisted::{Record, Store},
};

/// Keys that do not change are written again when those on disk are so old.
const REWRITE_AFTER: Duration = Duration::from_mins(5);

/// A disk that takes longer is not waited for: keys are fetched without it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the keys are kept.
pub(super) struct Disk {
    store: Store,
    source_id: String,
    /// When the keys there were fetched; `None` when they are not the last good ones.
    written: Option<Duration>,
    /// A write that took too long, and may go on.
    writing: Option<JoinHandle<Result<(), PersistedError>>>,
}

impl Disk {
    pub(super) fn new(directory: &Path, provider: &str, source_id: String) -> Self {
        Self {
            store: Store::new(directory, provider),
            source_id,
            written: None,
            writing: None,
        }
    }

    /// The keys on disk and how much longer they may be used at `now`, if there are any; see
    /// [`Record::usable_for`] for `longest`.
    pub(super) async fn load(
        &mut self,
        source: &Source,
        longest: Duration,
        now: Duration,
    ) -> Result<Option<(Good, Duration)>, PersistedError> {
        let (store, most) = (self.store.clone(), source.http.max_response_bytes);
        let read = timeout(PATIENCE, spawn_blocking(move || store.read(most))).await;
        let read = read.map_err(|_elapsed| PersistedError::Slow)?;
        let Some(record) = read.map_err(PersistedError::Internal)?? else {
            return Ok(None);
        };
        let left = record.usable_for(&self.source_id, now, longest, source.max_stale)?;
        let keys = fetch::parse(record.jwks, record.validator).await;
        let fetched_at = Duration::from_secs(record.fetched_at);
        self.written = Some(fetched_at);
        let good = Good {
            keys: keys.map_err(PersistedError::Keys)?,
            fetched_at,
            interval: Duration::from_secs(record.interval),
        };
        Ok(Some((good, left)))
    }

    /// Notes that the keys on disk are not the last good ones any more.
    pub(super) fn outdated(&mut self) {
        self.written = None;
    }

    /// Writes the last good keys, unless what is there says the same and is not old. `max_stale` bounds
    /// what counts as old: keys on disk must not seem staler than they are.
    pub(super) async fn save(
        &mut self,
        last: &Good,
        source: &str,
        max_stale: Duration,
    ) -> Result<(), PersistedError> {
        let old = REWRITE_AFTER.min(max_stale.checked_div(4).unwrap_or_default());
        let recent = |written| last.fetched_at.saturating_sub(written) <= old;
        if self.written.is_some_and(recent) {
            return Ok(());
        }
        if self
            .writing
            .as_ref()
            .is_some_and(|write| !write.is_finished())
        {
            return Err(PersistedError::Slow);
        }
        let record = Record {
            source: source.to_owned(),
            source_id: self.source_id.clone(),
            fetched_at: last.fetched_at.as_secs(),
            interval: last.interval.as_secs(),
            validator: last.keys.validator.clone(),
            jwks: last.keys.text.clone(),
        };
        let store = self.store.clone();
        let mut writing = spawn_blocking(move || store.write(&record));
        let Ok(written) = timeout(PATIENCE, &mut writing).await else {
            self.writing = Some(writing);
            return Err(PersistedError::Slow);
        };
        written.map_err(PersistedError::Internal)??;
        self.written = Some(last.fetched_at);
        Ok(())
    }
}
