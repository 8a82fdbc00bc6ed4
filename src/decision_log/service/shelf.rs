//! Chunks that wait: in memory and, where there is a folder, on disk.
//!
//! Promises that chunks leave in their order wherever they are, that the oldest goes when there are too
//! many (to disk where it can), and that each record that is lost is counted once.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::SpillOptions;
use crate::{
    decision_log::{
        chunk::{Chunk, Place},
        spill::Spill,
    },
    telemetry::{
        Metrics, SpillFailed,
        decision_log::{Sink, SinkCause},
    },
};

/// What waits to be posted.
#[derive(Debug)]
pub(super) struct Shelf {
    /// In the order of their places.
    ready: VecDeque<Chunk>,
    ready_bytes: usize,
    ready_records: u64,
    most_bytes: usize,
    folder: Option<SpillOptions>,
    spill: Option<Spill>,
    /// The chunk on disk that [`next`](Self::next) returned last. A chunk in memory at the same place
    /// is another one: whoever had the folder before may have numbered as this run does.
    lent: Option<Place>,
    /// When the folder was last tried in vain.
    tried: Option<Instant>,
    failures: u32,
    metrics: Arc<Metrics>,
}

impl Shelf {
    /// At most so many bytes are in memory.
    pub(super) fn new(
        most_bytes: usize,
        folder: Option<SpillOptions>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            ready: VecDeque::new(),
            ready_bytes: 0,
            ready_records: 0,
            most_bytes,
            folder,
            spill: None,
            lent: None,
            tried: None,
            failures: 0,
            metrics,
        }
    }

    /// Takes the folder, if there is one and it was not taken yet.
    pub(super) fn open(&mut self) {
        let Some(folder) = self.folder.as_ref().filter(|_| self.spill.is_none()) else {
            return;
        };
        if self.tried.is_some_and(|tried| tried.elapsed() < RETRY) {
            return;
        }
        match Spill::open(folder) {
            Ok(spill) => {
                let log = self.metrics.decision_log();
                log.replayed(spill.records());
                let spill = self.spill.insert(spill);
                let lost = spill.make_room(0, None);
                log.dropped_by(Sink::Service, SinkCause::SpillFull, lost);
                self.tell_troubles();
            }
            Err(error) => {
                self.tried = Some(Instant::now());
                SpillFailed {
                    error: &error,
                    before: self.failures,
                }
                .emit();
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    /// The number from which on chunks are newer than those on disk.
    pub(super) fn next_number(&self) -> u64 {
        self.spill.as_ref().map_or(0, Spill::next_number)
    }

    /// Whether chunks can be put on disk.
    pub(super) const fn has_disk(&self) -> bool {
        self.spill.is_some()
    }

    /// Takes a chunk, wherever it belongs.
    pub(super) fn add(&mut self, chunk: Chunk) {
        let at = self
            .ready
            .partition_point(|other| other.place < chunk.place);
        self.ready_bytes = self.ready_bytes.saturating_add(chunk.bytes.len());
        self.ready_records = self.ready_records.saturating_add(chunk.records);
        self.ready.insert(at, chunk);
    }

    /// Takes a chunk back that was not posted, unless it is on disk anyway.
    pub(super) fn put_back(&mut self, chunk: Chunk) {
        if !self.is_on_disk(&chunk.place) {
            self.add(chunk);
        }
    }

    /// Whether the chunk that was taken last came from disk, and is still there.
    pub(super) fn is_on_disk(&self, place: &Place) -> bool {
        let there = || self.spill.as_ref().is_some_and(|spill| spill.has(place));
        self.lent.as_ref() == Some(place) && there()
    }

    /// Whether there is a chunk in memory.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
            && self
                .spill
                .as_ref()
                .is_none_or(|spill| spill.first().is_none())
    }

    /// Records that wait, and bytes of them in memory and on disk.
    pub(super) fn level(&self) -> (u64, usize, u64) {
        let disk = self.spill.as_ref();
        let (records, bytes) = disk.map_or((0, 0), |spill| (spill.records(), spill.bytes()));
        (
            self.ready_records.saturating_add(records),
            self.ready_bytes,
            bytes,
        )
    }

    /// The oldest chunk, if it was made before the one with this number. On disk it stays until it is
    /// [`done`](Self::done) with.
    pub(super) fn next(&mut self, until: u64) -> Option<Chunk> {
        loop {
            let in_memory = self.ready.front().map(|chunk| &chunk.place);
            let on_disk = self.spill.as_ref().and_then(Spill::first);
            let oldest = in_memory.into_iter().chain(on_disk).min()?;
            if oldest.number >= until {
                return None;
            }
            if in_memory == Some(oldest) {
                self.lent = None;
                return self.pop();
            }
            let oldest = oldest.clone();
            let read = self.spill.as_mut()?.read(&oldest);
            self.tell_troubles();
            match read {
                Ok(chunk) => {
                    self.lent = Some(oldest);
                    return Some(chunk);
                }
                Err(lost) => self.lost(SinkCause::WriteFailed, lost),
            }
        }
    }

    /// The chunk was posted.
    pub(super) fn done(&mut self, place: &Place) {
        if !self.is_on_disk(place) {
            return;
        }
        if let Some(spill) = &mut self.spill {
            spill.remove(place);
            self.tell_troubles();
        }
    }

    /// Takes `chunks` for the one at `place`.
    pub(super) fn replace(&mut self, place: &Place, chunks: impl IntoIterator<Item = Chunk>) {
        let on_disk = self.is_on_disk(place);
        for chunk in chunks {
            // What takes its very place waits in memory until it is gone.
            if !(on_disk && chunk.place != *place && self.store(&chunk, Some(place))) {
                self.add(chunk);
            }
        }
        self.done(place);
    }

    /// Makes memory hold no more than it may, apart from one chunk. `current` is on its way.
    pub(super) fn bound(&mut self, current: Option<&Chunk>) {
        let besides = current.map_or(0, |chunk| chunk.bytes.len());
        let few = usize::from(current.is_none());
        while self.ready_bytes.saturating_add(besides) > self.most_bytes && self.ready.len() > few {
            let Some(oldest) = self.pop() else { break };
            self.put_away(&oldest, current.map(|chunk| &chunk.place));
        }
    }

    /// Puts a chunk on disk; one that cannot be is lost.
    pub(super) fn put_away(&mut self, chunk: &Chunk, kept: Option<&Place>) {
        self.open();
        if self.spill.is_none() {
            self.lost(SinkCause::BufferFull, chunk.records);
        } else if !self.store(chunk, kept) {
            self.lost(SinkCause::WriteFailed, chunk.records);
        }
    }

    /// The process ends: everything is put on disk, and is lost where there is none, or no time.
    pub(super) fn clear(&mut self, deadline: Instant) {
        while let Some(chunk) = self.pop() {
            if self.spill.is_some() && Instant::now() < deadline {
                self.put_away(&chunk, None);
            } else {
                self.lost(SinkCause::Shutdown, chunk.records);
            }
        }
    }

    fn store(&mut self, chunk: &Chunk, kept: Option<&Place>) -> bool {
        let Some(spill) = &mut self.spill else {
            return false;
        };
        let outcome = spill.store(chunk, kept);
        if outcome.stored {
            self.failures = 0;
        }
        self.lost(SinkCause::SpillFull, outcome.lost);
        self.tell_troubles();
        outcome.stored
    }

    fn pop(&mut self) -> Option<Chunk> {
        let chunk = self.ready.pop_front()?;
        self.ready_bytes = self.ready_bytes.saturating_sub(chunk.bytes.len());
        self.ready_records = self.ready_records.saturating_sub(chunk.records);
        Some(chunk)
    }

    fn lost(&self, cause: SinkCause, records: u64) {
        let log = self.metrics.decision_log();
        log.dropped_by(Sink::Service, cause, records);
    }

    fn tell_troubles(&mut self) {
        let troubles = self.spill.as_mut().map(Spill::troubles);
        for error in troubles.unwrap_or_default() {
            SpillFailed {
                error: &error,
                before: self.failures,
            }
            .emit();
            self.failures = self.failures.saturating_add(1);
        }
    }
}

/// How long a folder that cannot be used is left alone.
const RETRY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
