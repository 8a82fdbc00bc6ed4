//! Lines on their way from the recorder's thread to a thread that writes them.
//!
//! Promises that who offers a line never waits for who writes it: lines are collected up to a bound in
//! bytes, and what finds no room is dropped and counted. Each line that was offered is counted once, as
//! sent when it is written and as dropped when it never will be.

use std::{
    fmt, io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use memchr::memchr_iter;

use crate::{
    clock::Clock,
    telemetry::{
        Metrics, SinkFailed, SinkRecovered,
        decision_log::{Sink, SinkCause},
        metrics::Waiting,
    },
};

/// Where lines end up. On a thread of its own: may wait.
pub(super) trait Output: Send + 'static {
    /// Writes `lines` from their start, all of them or some.
    fn write(&mut self, lines: &[u8]) -> Wrote;
}

/// What became of lines that were to be written.
pub(super) struct Wrote {
    /// So many bytes are where they should be, whatever happened then.
    pub(super) bytes: usize,
    /// What happened then.
    pub(super) failed: Option<Failed>,
}

/// Why not everything is written.
pub(super) enum Failed {
    /// May go better later, from where it stopped.
    Later(io::Error),
    /// The rest will never be taken.
    Never(io::Error),
}

/// Which sink, where to, and how much may wait.
pub(super) struct Options {
    pub(super) sink: Sink,
    /// For people.
    pub(super) place: String,
    /// Bytes that may wait or be on their way.
    pub(super) max_bytes: usize,
    pub(super) metrics: Arc<Metrics>,
}

/// The end that lines are offered to. What is not written when it is dropped is lost and counted.
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    options: Options,
    buffered: Waiting,
    state: Mutex<State>,
    /// The state is another: there is more to write, or less, or it is over.
    changed: Condvar,
}

struct State {
    phase: Phase,
    /// Collected, whole lines.
    waiting: Vec<u8>,
    waiting_records: u64,
    /// Taken by the thread, and not yet written.
    writing_bytes: usize,
    writing_records: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// No line is to come any more.
    Closing,
    /// Everything is written, or what is not was counted as lost.
    Ended,
}

impl Lines {
    /// Starts the thread that writes to `output`.
    pub(super) fn start(options: Options, output: impl Output) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            buffered: options.metrics.decision_log().buffered(options.sink),
            options,
            state: Mutex::new(State {
                phase: Phase::Open,
                waiting: Vec::new(),
                waiting_records: 0,
                writing_bytes: 0,
                writing_records: 0,
            }),
            changed: Condvar::new(),
        });
        let name = format!("log-{}", shared.options.sink.as_str());
        let of_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name(name)
            .spawn(move || run(&of_thread, output))?;
        Ok(Self(shared))
    }

    /// Takes `parts` as one line, or drops and counts it. None of them may hold a line break.
    pub(super) fn offer(&self, parts: &[&[u8]]) {
        let shared = &*self.0;
        let length = parts.iter().fold(1, |sum: usize, part| {
            // What no memory holds is too long by far.
            sum.saturating_add(part.len())
        });
        let mut state = shared.lock();
        let before = state.waiting.len();
        let after = before.saturating_add(length);
        if state.phase != Phase::Open {
            return shared.lost(SinkCause::Shutdown, 1);
        }
        if after.saturating_add(state.writing_bytes) > shared.options.max_bytes {
            return shared.lost(SinkCause::BufferFull, 1);
        }
        for part in parts {
            state.waiting.extend_from_slice(part);
        }
        state.waiting.push(b'\n');
        state.waiting_records = state.waiting_records.saturating_add(1);
        shared.buffered.add(1, bytes(length));
        if before < ENOUGH && after >= ENOUGH {
            shared.changed.notify_all();
        }
    }

    /// Has what is there written, little as it may be.
    pub(super) fn idle(&self) {
        if !self.0.lock().waiting.is_empty() {
            self.0.changed.notify_all();
        }
    }

    /// Nothing comes any more: what waits is written now.
    pub(super) fn close(&self) {
        let shared = &*self.0;
        let mut state = shared.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
        }
        shared.changed.notify_all();
    }

    /// Waits until everything is written, or until `deadline`; what is not then is lost and counted.
    pub(super) fn finish(&self, deadline: Instant) {
        self.close();
        let shared = &*self.0;
        let state = shared.lock();
        let left = deadline.saturating_duration_since(Instant::now());
        let (mut state, _) = shared
            .changed
            .wait_timeout_while(state, left, |state| state.phase != Phase::Ended)
            .unwrap_or_else(PoisonError::into_inner);
        if state.phase != Phase::Ended {
            state.phase = Phase::Ended;
            shared.changed.notify_all();
            let records = state.waiting_records.saturating_add(state.writing_records);
            let lost = state.waiting.len().saturating_add(state.writing_bytes);
            state.waiting = Vec::new();
            shared.buffered.remove(records, bytes(lost));
            shared.lost(SinkCause::Shutdown, records);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.finish(Instant::now());
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self, cause: SinkCause, records: u64) {
        let log = self.options.metrics.decision_log();
        log.dropped_by(self.options.sink, cause, records);
    }

    /// Waits for lines and puts all there are into `batch`, which is empty; `None` when it is over.
    fn take(&self, batch: &mut Vec<u8>) -> Option<()> {
        let idle = |state: &mut State| state.phase == Phase::Open && state.waiting.is_empty();
        let mut state = self
            .changed
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            state.phase = Phase::Ended;
            self.changed.notify_all();
            return None;
        }
        mem::swap(&mut state.waiting, batch);
        state.writing_bytes = batch.len();
        state.writing_records = mem::take(&mut state.waiting_records);
        Some(())
    }

    /// Notes what became of some lines that were taken: sent, or lost. `None` when they were given up
    /// meanwhile, as everything is then.
    fn done(&self, lines: &[u8], lost: Option<SinkCause>) -> Option<()> {
        let records = bytes(memchr_iter(b'\n', lines).count());
        let mut state = self.lock();
        if state.phase == Phase::Ended {
            return None;
        }
        state.writing_bytes = state.writing_bytes.saturating_sub(lines.len());
        state.writing_records = state.writing_records.saturating_sub(records);
        self.buffered.remove(records, bytes(lines.len()));
        if let Some(cause) = lost {
            self.lost(cause, records);
        } else {
            let log = self.options.metrics.decision_log();
            log.sent(self.options.sink, records);
        }
        Some(())
    }

    /// Rests before another try, shorter when the end is near; `None` when it is over.
    fn rest(&self) -> Option<()> {
        let state = self.lock();
        let before = state.phase;
        let (state, _) = self
            .changed
            .wait_timeout_while(state, PAUSE, |state| state.phase == before)
            .unwrap_or_else(PoisonError::into_inner);
        (state.phase != Phase::Ended).then_some(())
    }
}

/// The thread.
fn run(shared: &Shared, output: impl Output) {
    let mut writer = Writer {
        shared,
        output,
        failures: 0,
    };
    let mut batch = Vec::new();
    while shared.take(&mut batch).is_some() {
        if writer.write(&batch).is_none() {
            return;
        }
        batch.clear();
        // What one burst needed is not kept for ever.
        batch.shrink_to(KEPT);
    }
}

struct Writer<'a, O> {
    shared: &'a Shared,
    output: O,
    /// In a row.
    failures: u32,
}

impl<O: Output> Writer<'_, O> {
    /// Writes all lines, however often it takes; `None` when they were given up meanwhile.
    fn write(&mut self, lines: &[u8]) -> Option<()> {
        let mut rest = lines;
        while !rest.is_empty() {
            let wrote = self.output.write(rest);
            let (done, left) = rest.split_at_checked(wrote.bytes).unwrap_or((rest, &[]));
            rest = left;
            self.shared.done(done, None)?;
            match wrote.failed {
                None => self.succeeded(),
                Some(Failed::Later(error)) => {
                    self.failed(&error);
                    self.shared.rest()?;
                }
                Some(Failed::Never(error)) => {
                    self.failed(&error);
                    return self.shared.done(rest, Some(SinkCause::WriteFailed));
                }
            }
        }
        Some(())
    }

    fn succeeded(&mut self) {
        let Options { sink, metrics, .. } = &self.shared.options;
        let log = metrics.decision_log();
        log.succeeded(*sink, Clock::System.now().unix);
        if mem::take(&mut self.failures) > 0 {
            let place = &self.shared.options.place;
            SinkRecovered { sink: *sink, place }.emit();
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let Options {
            sink,
            place,
            metrics,
            ..
        } = &self.shared.options;
        SinkFailed {
            sink: *sink,
            place,
            error,
            before: self.failures,
        }
        .emit(metrics);
        self.failures = self.failures.saturating_add(1);
    }
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// So much is written without waiting for a quiet moment, in bytes.
const ENOUGH: usize = 64 * 1024;
/// So much of a buffer outlives the batch that it was made for, in bytes.
const KEPT: usize = 2 * 1024 * 1024;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
