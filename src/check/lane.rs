//! The slow lane: a few threads of low priority for decisions that take long, so that those on the line
//! need not wait for them.
//!
//! Every decision begins on the line with a short slice of time. One that needs more begins anew here:
//! nothing has to be carried over, because a decision is a function of its arguments. Where most
//! decisions of a policy are long, they come here at once. The queue is bounded, the newest goes first,
//! and the oldest is pushed out.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

/// How decisions that take long are kept away from the others.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long an evaluation may take on the line; `None`: eight times of what is usual with the
    /// policy, within [`Options::SHORTEST`] and [`Options::LONGEST`]. Zero: all go to the lane.
    pub slice: Option<Duration>,
    /// Threads of the lane.
    pub threads: usize,
    /// Decisions that may wait for one of them.
    pub queue: usize,
}

/// Where an evaluation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On the line, for no longer than this.
    Line(Duration),
    /// To the slow lane.
    Lane,
}

impl Options {
    /// The shortest slice that is chosen: a quick decision needs a hundredth of it.
    pub const SHORTEST: Duration = Duration::from_micros(250);
    /// The longest slice that is chosen.
    pub const LONGEST: Duration = Duration::from_millis(4);

    /// Where an evaluation goes that usually takes `usual`.
    pub(super) fn place(&self, usual: Duration) -> Place {
        match self.slice {
            Some(Duration::ZERO) => Place::Lane,
            Some(slice) => Place::Line(slice),
            // Hardly one would end in its slice.
            None if usual > Self::LONGEST => Place::Lane,
            None => Place::Line(
                usual
                    .saturating_mul(USUALS)
                    .clamp(Self::SHORTEST, Self::LONGEST),
            ),
        }
    }
}

/// The threads and what waits for them; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Lane(Arc<Shared>);

/// There is no room, or no thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

type Job = Box<dyn FnOnce() + Send>;

struct Shared {
    options: Options,
    queue: Mutex<Queue>,
    news: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Lane {
    pub(super) fn new(options: Options) -> Self {
        Self(Arc::new(Shared {
            options,
            queue: Mutex::default(),
            news: Condvar::new(),
        }))
    }

    /// Runs `job` when its turn comes, unless the future has been dropped by then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Full> {
        let (done, result) = oneshot::channel();
        self.push(Box::new(move || {
            if !done.is_closed() {
                drop(done.send(job()));
            }
        }))?;
        // The job was pushed out, or panicked.
        result.await.map_err(|_| Full)
    }

    fn push(&self, job: Job) -> Result<(), Full> {
        let mut queue = self.0.lock();
        if queue.jobs.len() >= queue.idle && queue.threads < self.0.options.threads {
            let shared = Arc::clone(&self.0);
            let started = thread::Builder::new()
                .name("slow-lane".to_owned())
                .spawn(move || shared.work());
            if started.is_ok() {
                queue.threads = queue.threads.saturating_add(1);
            }
        }
        if queue.threads == 0 {
            return Err(Full);
        }
        queue.jobs.push_back(job);
        let pushed_out = if queue.jobs.len() > self.0.options.queue.max(1) {
            queue.jobs.pop_front()
        } else {
            None
        };
        drop(queue);
        self.0.news.notify_one();
        drop(pushed_out);
        Ok(())
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.news.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No job runs under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread: the newest job first.
    fn work(&self) {
        // Where this is not allowed the threads are as good as any.
        let _unchanged = rustix::process::setpriority_process(None, NICE);
        while let Some(job) = self.next() {
            // Jobs answer for their own panics; a thread must not be lost with one.
            drop(catch_unwind(AssertUnwindSafe(job)));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.jobs.pop_back() {
                return Some(job);
            }
            queue.idle = queue.idle.saturating_add(1);
            queue = self
                .news
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle = queue.idle.saturating_sub(1);
        }
    }
}

/// A slice is so many times as long as an evaluation usually is.
const USUALS: u32 = 8;
/// The priority of the threads, below that of all others (`setpriority(2)`).
const NICE: i32 = 10;
