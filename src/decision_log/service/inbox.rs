//! Between the recorder's thread and the one that posts: records, and what happened meanwhile.
//!
//! Promises that who puts a record in never waits for disk or network, that no more waits than may, and
//! that what has to go is the oldest.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Limit, upload::UploadError};

/// Records that nobody has packed yet, and news for the thread.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
    most_records: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<Bytes>,
    bytes: usize,
    /// The thread is woken once there are so many bytes.
    enough: usize,
    /// Something happened since the thread last looked.
    news: bool,
    closing: Option<Instant>,
    answer: Option<Result<(), UploadError>>,
}

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Inbox {
    pub(super) fn new(limit: Limit) -> Self {
        let (most_records, most_bytes) = match limit {
            // They are packed at once; this is for when the thread is behind.
            Limit::Bytes(_) => (usize::MAX, UNPACKED),
            Limit::Records(records) => (records, records.saturating_mul(USUAL).max(UNPACKED)),
        };
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            most_records,
            most_bytes,
        }
    }

    /// Puts a record in; how many older ones had to go for it.
    pub(super) fn put(&self, record: Bytes) -> u64 {
        let mut state = self.lock();
        let before = state.bytes;
        state.bytes = before.saturating_add(record.len());
        state.records.push_back(record);
        let mut lost: u64 = 0;
        while state.records.len() > self.most_records || state.bytes > self.most_bytes {
            let Some(oldest) = state.records.pop_front() else {
                break;
            };
            state.bytes = state.bytes.saturating_sub(oldest.len());
            lost = lost.saturating_add(1);
        }
        if before < state.enough && state.bytes >= state.enough {
            self.tell(state);
        }
        lost
    }

    /// Takes the oldest records out, as many as have about so many bytes; at least one if there is one.
    pub(super) fn take(&self, bytes: usize) -> Vec<Bytes> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        let mut size: usize = 0;
        while size < bytes
            && let Some(record) = state.records.pop_front()
        {
            size = size.saturating_add(record.len());
            taken.push(record);
        }
        state.bytes = state.bytes.saturating_sub(size);
        taken
    }

    pub(super) fn level(&self) -> Level {
        let state = self.lock();
        Level {
            records: state.records.len(),
            bytes: state.bytes,
        }
    }

    /// Whether more than three quarters of what may wait does.
    pub(super) fn is_nearly_full(&self) -> bool {
        let level = self.level();
        let much = |most: usize| most.saturating_sub(most / 4);
        level.records > much(self.most_records) || level.bytes > much(self.most_bytes)
    }

    /// There is time for the thread to look.
    pub(super) fn idle(&self) {
        let state = self.lock();
        if !state.records.is_empty() {
            self.tell(state);
        }
    }

    /// Nothing will be put in any more; what is here may take until `deadline`.
    pub(super) fn close(&self, deadline: Instant) {
        let mut state = self.lock();
        state.closing.get_or_insert(deadline);
        self.tell(state);
    }

    /// Until when everything may take, once nothing will be put in any more.
    pub(super) fn closing(&self) -> Option<Instant> {
        self.lock().closing
    }

    /// What became of the upload.
    pub(super) fn answer(&self, answer: Result<(), UploadError>) {
        let mut state = self.lock();
        state.answer = Some(answer);
        self.tell(state);
    }

    pub(super) fn take_answer(&self) -> Option<Result<(), UploadError>> {
        self.lock().answer.take()
    }

    /// Waits until something happened, there are so many bytes, or it is time.
    pub(super) fn wait(&self, until: Instant, enough: usize) {
        let mut state = self.lock();
        state.enough = enough;
        while !state.news {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, rest.min(LONGEST_WAIT));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.news = false;
    }

    fn tell(&self, mut state: MutexGuard<'_, State>) {
        if !state.news {
            state.news = true;
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Nobody panics with the lock, and what is in it is whole at any time.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of records that may wait to be packed.
const UNPACKED: usize = 8 << 20;
/// What a record has on average at most, where records are counted.
const USUAL: usize = 16 << 10;
/// Some platforms cannot wait for years.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
