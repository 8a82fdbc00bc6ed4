//! Panics of this process, seen wherever they happen: on a check, in a background task, on a thread.
//!
//! The hook only counts and queues, because a panic inside of it ends the process; the process log's
//! consumer writes what is queued. A panic's message may quote what came from outside, so it is shown
//! as such text is. What panicked is answered for elsewhere: a check is denied, the rest goes stale and
//! is refused.

use std::{
    panic::{self, PanicHookInfo},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use crossbeam_queue::ArrayQueue;

use super::text::shown;

static SEEN: AtomicU64 = AtomicU64::new(0);
static WAITING: LazyLock<ArrayQueue<Panicked>> = LazyLock::new(|| ArrayQueue::new(MAX_WAITING));
/// Panics that wait to be logged; of more the first are told.
const MAX_WAITING: usize = 64;

/// One panic.
#[derive(Debug)]
struct Panicked {
    thread: String,
    place: String,
    message: String,
}

/// From now on, has panics counted and logged instead of printed. For a process whose recorder runs.
pub fn watch() {
    LazyLock::force(&WAITING);
    panic::set_hook(Box::new(note));
}

/// How many panics there were since [`watch`].
pub(super) fn seen() -> u64 {
    SEEN.load(Relaxed)
}

/// Logs the panics that wait for it.
pub(super) fn log() {
    while let Some(panicked) = WAITING.pop() {
        let Panicked {
            thread,
            place,
            message,
        } = panicked;
        tracing::error!(thread, place, error = %shown(&message), "panic");
    }
}

fn note(info: &PanicHookInfo<'_>) {
    SEEN.fetch_add(1, Relaxed);
    let message = info.payload_as_str().unwrap_or("not a text");
    // When too many wait, the count still tells of it.
    let _full = WAITING.push(Panicked {
        thread: thread::current().name().unwrap_or("unnamed").to_owned(),
        place: info.location().map(ToString::to_string).unwrap_or_default(),
        message: message.to_owned(),
    });
}
