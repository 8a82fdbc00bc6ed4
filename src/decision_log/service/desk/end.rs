//! How the thread ends, and goes on after a defect.
//!
//! Promises that what is left is put on disk while there is time, and that the rest is counted as lost.

use std::{
    mem, thread,
    time::{Duration, Instant},
};

use super::{AT_ONCE, Current, Desk, count};
use crate::{decision_log::service::pause::later, telemetry::decision_log::SinkCause};

impl Desk {
    /// After a panic, which the hook has told of.
    pub(super) fn recover(&mut self) -> bool {
        let in_hand = mem::take(&mut self.in_hand);
        if in_hand > 0 {
            self.lost(SinkCause::WriteFailed, in_hand);
            self.packer.forget();
        }
        // Not again and again without a pause, whatever it was.
        self.rest = self.after(self.failures);
        self.failures = self.failures.saturating_add(1);
        thread::sleep(AFTER_A_PANIC);
        let over = self.inbox.closing().filter(|end| Instant::now() >= *end);
        if let Some(deadline) = over {
            self.give_up(deadline);
        }
        self.show();
        over.is_none()
    }

    /// Whether the end has come: there is nothing more to do, or nothing more that would help.
    pub(super) fn is_over(&mut self, deadline: Instant, more: bool) -> bool {
        let nothing = self.inbox.level().records == 0 && self.packer.waiting().0 == 0;
        if nothing && self.current.is_none() && self.shelf.is_empty() {
            return true;
        }
        let late = later(Instant::now(), self.reserve()) >= deadline;
        let away = self.failures > 0 && self.current.is_none() && self.shelf.has_disk();
        (late || away) && !more
    }

    /// Puts everything that is left on disk while there is time, and counts the rest as lost.
    pub(super) fn give_up(&mut self, deadline: Instant) {
        if let Some(Current { chunk, .. }) = self.current.take() {
            self.shelf.put_back(chunk);
        }
        self.open();
        loop {
            let taken = self.take(AT_ONCE);
            let end = taken.is_empty();
            if self.shelf.has_disk() && Instant::now() < deadline {
                let packed = self.pack(taken);
                self.shelve(packed);
                self.shelf.clear(deadline);
            } else {
                self.lost(SinkCause::Shutdown, count(taken.len()));
                self.in_hand = 0;
            }
            if end {
                break;
            }
        }
        let (unpacked, _) = self.packer.waiting();
        self.lost(SinkCause::Shutdown, unpacked);
        self.packer.forget();
        self.shelf.clear(deadline);
    }

    /// What is left at the end for what was not taken.
    pub(super) const fn reserve(&self) -> Duration {
        if self.shelf.has_disk() {
            FOR_DISK
        } else {
            TO_COUNT
        }
    }
}

/// What is left at the end for writing to disk: each chunk waits for it twice.
const FOR_DISK: Duration = Duration::from_millis(1_500);
/// What is left at the end for counting what is lost.
const TO_COUNT: Duration = Duration::from_millis(300);
/// How long the thread does nothing after a defect.
const AFTER_A_PANIC: Duration = Duration::from_millis(100);
