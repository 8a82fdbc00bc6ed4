//! From the line to everybody who tells of checks: one bounded queue, one thread.
//!
//! Promises that the line never waits, never does I/O and never formats for the sake of a record: it is
//! queued when there is room, and dropped and counted when there is not. Nobody's interest, no record.
//! The queue is bounded in records and in the bytes they hold. On the recorder's thread each consumer
//! sees each record, in order; one that panics loses that record for itself, and nobody else does.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use crossbeam_queue::ArrayQueue;

use super::{
    Metrics,
    decision_log::Cause,
    metrics::QueueFull,
    record::{Record, Recorded},
};
use crate::{identity::Xfcc, outcome::Answer, priority::give_way, request::RequestView};

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Records.
    pub records: usize,
    /// Bytes of their requests, and [`Record::weight`] for the rest.
    pub bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            records: 16 * 1024,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// Someone who tells of checks. Called on the recorder's thread alone.
pub trait Consumer: Send {
    /// Takes note of one check. May compute, but waits for nothing: others are waiting.
    fn consume(&mut self, recorded: &Recorded<'_>);

    /// [`consume`](Self::consume) ended in a panic: a record is lost.
    fn panicked(&mut self) {}

    /// Nothing else is waiting: a moment to hand on what was collected.
    fn idle(&mut self) {}

    /// No record will come any more: begins to hand on what is left, and waits for nothing. Everybody is
    /// told so before anybody is waited for.
    fn close(&mut self, _deadline: Instant) {}

    /// After [`close`](Self::close): waits for what is left, until `deadline` at the latest.
    fn finish(&mut self, _deadline: Instant) {}
}

/// What checks somebody wants to hear of; shared by all who look.
#[derive(Clone, Debug, Default)]
pub struct Interest(Arc<Wants>);

#[derive(Debug, Default)]
struct Wants {
    allowed: AtomicUsize,
    refused: AtomicUsize,
    externals: AtomicBool,
}

impl Interest {
    /// Wants to hear of checks that are allowed, of those that are not, or of both, for as long as what
    /// it returns lives.
    pub fn in_checks(&self, allowed: bool, refused: bool) -> Interested {
        let interested = Interested {
            wants: self.clone(),
            allowed,
            refused,
        };
        self.0.allowed.fetch_add(usize::from(allowed), Relaxed);
        self.0.refused.fetch_add(usize::from(refused), Relaxed);
        interested
    }

    /// Wants to know what policies have asked of others, too.
    pub fn in_externals(&self) {
        self.0.externals.store(true, Relaxed);
    }

    pub(crate) fn includes(&self, answer: Answer) -> bool {
        let wanting = match answer {
            Answer::Allowed => &self.0.allowed,
            Answer::Denied | Answer::Error => &self.0.refused,
        };
        wanting.load(Relaxed) > 0
    }
}

/// Somebody's interest; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "the interest ends when this is dropped"]
pub struct Interested {
    wants: Interest,
    allowed: bool,
    refused: bool,
}

impl Drop for Interested {
    fn drop(&mut self) {
        let wants = &self.wants.0;
        wants.allowed.fetch_sub(usize::from(self.allowed), Relaxed);
        wants.refused.fetch_sub(usize::from(self.refused), Relaxed);
    }
}

/// Where the line puts records; clones share everything. By default nobody is interested.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    interest: Interest,
    queue: ArrayQueue<Box<Record>>,
    bytes: AtomicUsize,
    max_records: usize,
    max_bytes: usize,
    /// Set once no record is to come any more.
    closing: OnceLock<Closing>,
    thread: OnceLock<Thread>,
    metrics: Arc<Metrics>,
}

impl Recorder {
    /// Starts the recorder's thread, on which `consumers` are told of every check that anybody takes an
    /// interest in.
    pub fn start(
        options: Options,
        interest: Interest,
        xfcc: Xfcc,
        consumers: Vec<Box<dyn Consumer>>,
        metrics: Arc<Metrics>,
    ) -> io::Result<(Self, Recording)> {
        let shared = Arc::new(Shared {
            interest,
            queue: ArrayQueue::new(options.records.max(1).saturating_add(SPARE)),
            bytes: AtomicUsize::new(0),
            max_records: options.records.max(1),
            max_bytes: options.bytes,
            closing: OnceLock::new(),
            thread: OnceLock::new(),
            metrics,
        });
        let mut desk = Desk {
            shared: Arc::clone(&shared),
            xfcc,
            consumers,
        };
        let (at_end, ended) = mpsc::channel();
        let builder = thread::Builder::new().name("recorder".to_owned());
        let running = builder.spawn(move || {
            desk.run();
            drop(at_end);
        })?;
        // Set before the first record: nobody else sets it.
        let _first = shared.thread.set(running.thread().clone());
        let recording = Recording {
            shared: Arc::clone(&shared),
            ended,
        };
        Ok((Self(Some(shared)), recording))
    }

    /// Whether anybody wants to hear of a check with this answer.
    pub fn wants(&self, answer: Answer) -> bool {
        self.0
            .as_ref()
            .is_some_and(|shared| shared.interest.includes(answer))
    }

    /// Whether anybody wants to know what the policy has asked of others.
    pub fn wants_externals(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|shared| shared.interest.0.externals.load(Relaxed))
    }

    /// Hands a record over, or drops and counts it.
    pub fn record(&self, record: Box<Record>) {
        let Some(shared) = &self.0 else { return };
        let log = shared.metrics.decision_log();
        log.decided();
        if let Err(full) = shared.push(record) {
            shared.metrics.recorder().dropped(full);
            log.dropped(full.into(), 1);
        }
    }
}

impl Shared {
    fn push(&self, record: Box<Record>) -> Result<(), QueueFull> {
        let records = self.queue.len();
        if records >= self.max_records {
            return Err(QueueFull::Records);
        }
        let size = record.weight();
        let waiting = self.bytes.fetch_add(size, Relaxed).saturating_add(size);
        if waiting > self.max_bytes {
            self.bytes.fetch_sub(size, Relaxed);
            return Err(QueueFull::Bytes);
        }
        if let Err(_full) = self.queue.push(record) {
            self.bytes.fetch_sub(size, Relaxed);
            return Err(QueueFull::Records);
        }
        // The thread looks by itself soon; it is woken only before there is too much.
        let half = records > self.max_records / 2 || waiting > self.max_bytes / 2;
        if half && let Some(thread) = self.thread.get() {
            thread.unpark();
        }
        Ok(())
    }

    /// Whether the end is near, and what time is left is for handing on what was told already.
    fn is_out_of_time(&self) -> bool {
        let closing = self.closing.get();
        closing.is_some_and(|closing| closing.tell_until <= Instant::now())
    }

    /// Counts a panic over a record, and lets the consumer count what it has lost.
    fn panicked(&self, consumer: &mut dyn Consumer) {
        self.metrics.recorder().panicked();
        drop(catch_unwind(AssertUnwindSafe(|| consumer.panicked())));
    }

    fn show_waiting(&self) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let waiting = self.metrics.decision_log().queue();
        waiting.set(count(self.queue.len()), count(self.bytes.load(Relaxed)));
    }

    fn pop(&self) -> Option<Box<Record>> {
        let record = self.queue.pop()?;
        self.bytes.fetch_sub(record.weight(), Relaxed);
        Some(record)
    }
}

/// The end.
#[derive(Clone, Copy, Debug)]
struct Closing {
    /// Until when what waits is told of.
    tell_until: Instant,
    /// Until when consumers may hand it on.
    deadline: Instant,
}

/// What runs on the recorder's thread.
struct Desk {
    shared: Arc<Shared>,
    xfcc: Xfcc,
    consumers: Vec<Box<dyn Consumer>>,
}

impl Desk {
    fn run(&mut self) {
        loop {
            // Read before the queue is: what was pushed before the end is seen.
            let closing = self.shared.closing.get().copied();
            self.tell_all();
            if let Some(Closing { deadline, .. }) = closing {
                self.each(|consumer| consumer.close(deadline));
                self.each(|consumer| consumer.finish(deadline));
                return;
            }
            self.each(|consumer| consumer.idle());
            thread::park_timeout(PAUSE);
        }
    }

    /// Tells of everything that waits; at the end only while there is time for it.
    fn tell_all(&mut self) {
        let mut told = 0_u32;
        while let Some(record) = self.shared.pop() {
            if self.shared.is_out_of_time() {
                let log = self.shared.metrics.decision_log();
                log.dropped(Cause::Shutdown, 1);
                continue;
            }
            self.tell(&record);
            give_way();
            told = told.wrapping_add(1);
            if told.is_multiple_of(SHOWN_EVERY) {
                self.shared.show_waiting();
            }
        }
        self.shared.show_waiting();
    }

    fn tell(&mut self, record: &Record) {
        let xfcc = self.xfcc;
        // What panicked on the line may do so here again.
        let told = catch_unwind(AssertUnwindSafe(|| {
            let request = RequestView::parse(&record.request);
            let recorded = Recorded::new(record, &request, xfcc);
            for consumer in &mut self.consumers {
                let consumed = catch_unwind(AssertUnwindSafe(|| consumer.consume(&recorded)));
                if consumed.is_err() {
                    self.shared.panicked(consumer.as_mut());
                }
            }
        }));
        if told.is_err() {
            for consumer in &mut self.consumers {
                self.shared.panicked(consumer.as_mut());
            }
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Consumer)) {
        for consumer in &mut self.consumers {
            let acted = catch_unwind(AssertUnwindSafe(|| act(consumer.as_mut())));
            if acted.is_err() {
                self.shared.metrics.recorder().panicked();
            }
        }
    }
}

/// The recorder's thread; it ends with this.
pub struct Recording {
    shared: Arc<Shared>,
    ended: mpsc::Receiver<()>,
}

impl Recording {
    /// Has everything told that waits, by `deadline`; what there is no time for is counted. To be called
    /// once no check is in flight; blocks, little longer than until then.
    pub fn finish(self, deadline: Instant) {
        self.close(deadline);
        let left = deadline.saturating_duration_since(Instant::now());
        // Nothing is sent: it ends, or there is no time left to wait for somebody who is stuck.
        let _ended = self.ended.recv_timeout(left.saturating_add(TO_COUNT));
    }

    fn close(&self, deadline: Instant) {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        let to_tell = left.checked_div(2).unwrap_or_default();
        let closing = Closing {
            // Of the time there is, half is for handing on what was told already.
            tell_until: now.checked_add(to_tell).unwrap_or(deadline),
            deadline,
        };
        let _first = self.shared.closing.set(closing);
        if let Some(thread) = self.shared.thread.get() {
            thread.unpark();
        }
    }
}

/// Ends the thread without waiting for it.
impl Drop for Recording {
    fn drop(&mut self) {
        self.close(Instant::now());
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}

/// Room beside what may wait: who puts something into a queue that is full to the brim may have to wait
/// for the thread that takes something out.
const SPARE: usize = 64;
/// How long consumers may take past the end, to count what they have lost.
const TO_COUNT: Duration = Duration::from_secs(2);
/// While the thread is busy, what waits is shown once for so many records.
const SHOWN_EVERY: u32 = 256;
/// How long the thread rests when there is nothing to do.
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
