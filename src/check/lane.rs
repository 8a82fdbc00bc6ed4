//! The slow lane: a few threads of low priority for decisions that take long, so that those on the line
//! need not wait for them.
//!
//! Every decision begins on the line with a short slice of time. One that needs more begins anew here:
//! nothing has to be carried over, because a decision is a function of its arguments. Where most
//! decisions of a policy are long, they come here at once. The oldest goes first as long as it has
//! time; where the queue stands, the newest, which still has. The queue is bounded, and the oldest is
//! pushed out.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::priority::Priority;

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

    /// Where an evaluation goes that usually takes `usual`, of a request of so many bytes.
    pub(super) fn place(&self, usual: Duration, request: usize) -> Place {
        match self.slice {
            Some(Duration::ZERO) => Place::Lane,
            // To read it takes longer than a slice, before any evaluation.
            None if request > LARGE => Place::Lane,
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

type Work = Box<dyn FnOnce() + Send>;

struct Job {
    work: Work,
    /// When it has waited so long that newer ones are more likely to be done in time.
    stale: Instant,
}

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
    /// Threads at work; the others are about to take a job, or wait for one.
    busy: usize,
    closed: bool,
}

impl Queue {
    /// The oldest job, or the newest where the oldest has waited too long.
    fn take(&mut self, now: Instant) -> Option<Job> {
        if self.jobs.front()?.stale > now {
            self.jobs.pop_front()
        } else {
            self.jobs.pop_back()
        }
    }
}

impl Lane {
    pub(super) fn new(options: Options) -> Self {
        Self(Arc::new(Shared {
            options,
            queue: Mutex::default(),
            news: Condvar::new(),
        }))
    }

    /// Runs `job`, which is done with in `time`, when its turn comes, unless the future has been
    /// dropped by then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        time: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Full> {
        let (done, result) = oneshot::channel();
        let work = Box::new(move || {
            if !done.is_closed() {
                drop(done.send(job()));
            }
        });
        let now = Instant::now();
        let patience = time.checked_div(PATIENCE).unwrap_or_default();
        let stale = now.checked_add(patience).unwrap_or(now);
        self.push(Job { work, stale })?;
        // The job was pushed out, or panicked.
        result.await.map_err(|_| Full)
    }

    fn push(&self, job: Job) -> Result<(), Full> {
        let mut queue = self.0.lock();
        let free = |queue: &Queue| queue.threads.saturating_sub(queue.busy);
        if queue.jobs.len() >= free(&queue) && queue.threads < self.0.options.threads {
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
        let room = self.0.options.queue.saturating_add(free(&queue));
        let pushed_out = if queue.jobs.len() > room {
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

    /// One thread.
    fn work(&self) {
        Priority::Lane.take();
        while let Some(job) = self.next() {
            // Jobs answer for their own panics; a thread must not be lost with one.
            drop(catch_unwind(AssertUnwindSafe(job.work)));
            let mut queue = self.lock();
            queue.busy = queue.busy.saturating_sub(1);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.take(Instant::now()) {
                queue.busy = queue.busy.saturating_add(1);
                return Some(job);
            }
            queue = self
                .news
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Requests of more bytes go to the lane unread: to parse their body takes some milliseconds.
const LARGE: usize = 64 * 1024;
/// The oldest goes first until it has waited for this part of its time.
const PATIENCE: u32 = 4;
/// A slice is so many times as long as an evaluation usually is.
const USUALS: u32 = 8;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::{FutureExt as _, poll};

    use super::*;

    const LONG: Duration = Duration::from_mins(10);
    const AUTO: Options = Options {
        slice: None,
        threads: 1,
        queue: 2,
    };

    /// Keeps the only thread of `lane` busy until what is returned is dropped.
    async fn occupied(lane: &Lane) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let (started, starts) = oneshot::channel();
        let work = lane.run(LONG, move || {
            started.send(()).unwrap();
            released.recv().unwrap_err();
        });
        let mut work = Box::pin(work);
        assert!(poll!(&mut work).is_pending());
        starts.await.unwrap();
        release
    }

    #[test]
    fn quick_policies_have_a_slice_of_the_line_and_long_ones_go_to_the_lane() {
        let us = Duration::from_micros;
        for (usual, place) in [
            (us(0), Place::Line(Options::SHORTEST)),
            (us(3), Place::Line(Options::SHORTEST)),
            (us(100), Place::Line(us(800))),
            (us(3_000), Place::Line(Options::LONGEST)),
            (us(5_000), Place::Lane),
            (Duration::MAX, Place::Lane),
        ] {
            assert_eq!(AUTO.place(usual, LARGE), place, "{usual:?}");
            assert_eq!(AUTO.place(usual, LARGE + 1), Place::Lane, "{usual:?}");
        }
        for (slice, place) in [(us(0), Place::Lane), (us(70), Place::Line(us(70)))] {
            let options = Options {
                slice: Some(slice),
                ..AUTO
            };
            assert_eq!(options.place(us(5_000), LARGE + 1), place, "{slice:?}");
        }
    }

    #[tokio::test]
    async fn a_job_returns_what_it_makes_and_one_that_panics_takes_no_thread_along() {
        let lane = Lane::new(AUTO);
        assert_eq!(lane.run(LONG, || 1).await, Ok(1));
        let panics = || -> i32 { panic!("inside a job") };
        assert_eq!(lane.run(LONG, panics).await, Err(Full));
        assert_eq!(lane.run(LONG, || 2).await, Ok(2));
    }

    #[tokio::test]
    async fn the_oldest_goes_first_unless_it_waited_too_long_and_is_pushed_out() {
        for (time, expected) in [
            (LONG, ["second", "third"]),
            (Duration::ZERO, ["third", "second"]),
        ] {
            assert_eq!(order(time).await, expected, "{time:?}");
        }
    }

    /// The order in which those of three jobs are done that find room for two.
    async fn order(time: Duration) -> Vec<&'static str> {
        let lane = Lane::new(AUTO);
        let release = occupied(&lane).await;
        let (done, order) = mpsc::channel();
        let mut jobs: Vec<_> = ["first", "second", "third"]
            .map(|name| {
                let done = done.clone();
                Box::pin(lane.run(time, move || done.send(name).unwrap()))
            })
            .into();
        for job in &mut jobs {
            assert!(poll!(job).is_pending());
        }
        assert_eq!(jobs.remove(0).now_or_never(), Some(Err(Full)));
        drop(release);
        for job in jobs {
            job.await.unwrap();
        }
        drop(done);
        order.iter().collect()
    }

    #[tokio::test]
    async fn a_job_that_nobody_waits_for_any_more_is_not_begun() {
        let lane = Lane::new(AUTO);
        let release = occupied(&lane).await;
        let (ran, runs) = mpsc::channel();
        let waited = ran.clone();
        let mut given_up = Box::pin(lane.run(LONG, move || ran.send("given up").unwrap()));
        assert!(poll!(&mut given_up).is_pending());
        drop(given_up);
        let mut other = Box::pin(lane.run(LONG, move || waited.send("waited for").unwrap()));
        assert!(poll!(&mut other).is_pending());
        drop(release);
        other.await.unwrap();
        assert_eq!(runs.iter().collect::<Vec<_>>(), ["waited for"]);
    }

    #[tokio::test]
    async fn what_waits_is_given_up_with_the_lane() {
        let lane = Lane::new(AUTO);
        let release = occupied(&lane).await;
        let (done, result) = oneshot::channel::<()>();
        let job = Job {
            work: Box::new(move || done.send(()).unwrap()),
            stale: Instant::now(),
        };
        lane.push(job).unwrap();
        drop(lane);
        drop(release);
        assert!(result.await.is_err());
    }
}
