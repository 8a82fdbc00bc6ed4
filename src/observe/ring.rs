//! The newest decisions, in the order they were told. Written by the recorder's thread alone, read by
//! whoever watches.
//!
//! Promises that it holds at most so many decisions and so many bytes, and that a reader costs the
//! recorder nothing: readers look for themselves, from where they stopped, and find out how much went
//! by. The lock is held for a push, or for copying references.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::watch;

use super::decision::Decision;
use crate::{
    outcome::Answer,
    telemetry::{
        Recorded,
        recorder::{Consumer, Interest, Interested},
    },
};

/// Which decisions are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Every decision.
    #[default]
    All,
    /// Denials and errors; what is allowed only while somebody follows who wants to see it.
    Refused,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Decisions.
    pub capacity: usize,
    /// Which.
    pub keep: Keep,
}

/// What is told of checks, and remembers them.
#[derive(Debug)]
pub struct Ring {
    shared: Arc<Shared>,
    keep: Keep,
    /// Wakes readers.
    ended: watch::Sender<bool>,
    /// Pushed since readers were last woken.
    unseen: u32,
    _interested: Interested,
}

/// How readers come to the ring; clones come to the same.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    shared: Arc<Shared>,
    ended: watch::Receiver<bool>,
    interest: Interest,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    /// How many follow and want to see what is allowed.
    wanting_allowed: AtomicUsize,
}

/// What a reader finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// So many were forgotten before they were read.
    pub(super) lost: u64,
    /// The oldest that were not read yet.
    pub(super) decisions: Vec<Arc<Decision>>,
    /// Where to go on.
    pub(super) next: u64,
}

impl Ring {
    /// A ring that remembers as `options` say, and takes its own part in `interest`.
    pub(super) fn new(options: Options, interest: &Interest) -> (Self, Readers) {
        let shared = Arc::new(Shared {
            kept: Mutex::new(Kept::new(options.capacity, MOST_BYTES)),
            wanting_allowed: AtomicUsize::new(0),
        });
        let (ended, watching) = watch::channel(false);
        let ring = Self {
            shared: Arc::clone(&shared),
            keep: options.keep,
            ended,
            unseen: 0,
            _interested: interest.in_checks(options.keep == Keep::All, true),
        };
        let readers = Readers {
            shared,
            ended: watching,
            interest: interest.clone(),
        };
        (ring, readers)
    }

    fn keeps(&self, answer: Answer) -> bool {
        match (self.keep, answer) {
            (Keep::All, _) | (Keep::Refused, Answer::Denied | Answer::Error) => true,
            (Keep::Refused, Answer::Allowed) => self.shared.wanting_allowed.load(Relaxed) > 0,
        }
    }

    pub(super) fn push(&mut self, decision: Decision) {
        let decision = Arc::new(decision);
        // What is forgotten is freed once the lock is free.
        let forgotten = self.shared.kept().push(decision);
        drop(forgotten);
        self.unseen = self.unseen.saturating_add(1);
        if self.unseen >= WOKEN_EVERY {
            self.wake();
        }
    }

    fn wake(&mut self) {
        self.unseen = 0;
        // Sent again: that it did not end yet.
        self.ended.send_modify(|_| ());
    }
}

impl Consumer for Ring {
    fn consume(&mut self, recorded: &Recorded<'_>) {
        if self.keeps(recorded.record.answer()) {
            self.push(Decision::of(recorded));
        }
    }

    fn idle(&mut self) {
        if self.unseen > 0 {
            self.wake();
        }
    }

    fn close(&mut self, _deadline: Instant) {
        self.ended.send_replace(true);
    }
}

impl Readers {
    /// Everything that is remembered, oldest first, and where to go on.
    pub(super) fn all(&self) -> Found {
        let kept = self.shared.kept();
        Found {
            lost: 0,
            decisions: kept.decisions.iter().cloned().collect(),
            next: kept.next,
        }
    }

    /// What came at `from` and after it, as far as it is still remembered.
    pub(super) fn from(&self, from: u64) -> Found {
        self.shared.kept().from(from)
    }

    /// Changes when there may be something new; true at the end.
    pub(super) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.clone()
    }

    /// Somebody follows from now on, and wants to see what is allowed or does not.
    pub(super) fn follow(&self, allowed: bool) -> Following {
        if allowed {
            self.shared.wanting_allowed.fetch_add(1, Relaxed);
        }
        Following {
            shared: Arc::clone(&self.shared),
            allowed,
            _interested: self.interest.in_checks(allowed, true),
        }
    }
}

/// Somebody follows for as long as this lives.
#[derive(Debug)]
pub(super) struct Following {
    shared: Arc<Shared>,
    allowed: bool,
    _interested: Interested,
}

impl Drop for Following {
    fn drop(&mut self) {
        if self.allowed {
            self.shared.wanting_allowed.fetch_sub(1, Relaxed);
        }
    }
}

impl Shared {
    /// A panic under the lock leaves at worst a number of bytes that is too large.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ring itself.
#[derive(Debug)]
struct Kept {
    decisions: VecDeque<Arc<Decision>>,
    bytes: usize,
    /// The number of the next one; the first ever has 0.
    next: u64,
    capacity: usize,
    most_bytes: usize,
}

impl Kept {
    fn new(capacity: usize, most_bytes: usize) -> Self {
        Self {
            decisions: VecDeque::new(),
            bytes: 0,
            next: 0,
            capacity: capacity.max(1),
            most_bytes,
        }
    }

    /// Remembers this one; the oldest are forgotten until there is room for it.
    fn push(&mut self, decision: Arc<Decision>) -> Vec<Arc<Decision>> {
        let size = decision.size();
        let mut forgotten = Vec::new();
        while self.decisions.len() >= self.capacity
            || self.bytes.saturating_add(size) > self.most_bytes
        {
            let Some(oldest) = self.decisions.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.size());
            forgotten.push(oldest);
        }
        self.bytes = self.bytes.saturating_add(size);
        self.decisions.push_back(decision);
        self.next = self.next.saturating_add(1);
        forgotten
    }

    fn from(&self, from: u64) -> Found {
        let held = u64::try_from(self.decisions.len()).unwrap_or(u64::MAX);
        let oldest = self.next.saturating_sub(held);
        let first = from.max(oldest);
        let skipped = usize::try_from(first.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let newer = self.decisions.iter().skip(skipped).take(BATCH);
        let decisions: Vec<_> = newer.cloned().collect();
        let count = u64::try_from(decisions.len()).unwrap_or(u64::MAX);
        Found {
            lost: first.saturating_sub(from),
            next: first.saturating_add(count),
            decisions,
        }
    }
}

/// Most bytes that are remembered: what the usual number of decisions takes, several times.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// While the recorder is busy, readers are woken once for so many decisions.
const WOKEN_EVERY: u32 = 256;
/// Most decisions that a reader takes at once.
const BATCH: usize = 64;

#[cfg(test)]
mod tests;
