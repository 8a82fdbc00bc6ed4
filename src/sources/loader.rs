//! The one thread that reads archives, compiles policies, and ends what they have replaced.
//!
//! One thread for two reasons: two large bundles are never read at the same time, and what a thread has
//! freed is there for the next load, while the allocator keeps the memory of threads that end.

use std::{
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use crate::priority::Priority;

/// Runs jobs one after the other, off the line of checks. The thread begins with the first job and
/// ends with the last copy of this.
#[derive(Clone, Debug, Default)]
pub struct Loader(Arc<Mutex<Option<Sender<Job>>>>);

type Job = Box<dyn FnOnce() + Send>;

impl Loader {
    /// Runs `job` after those that came before, whether or not anybody waits for its result. There is
    /// none when it panicked, or when there is no thread to be had.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, result) = oneshot::channel();
        self.push(Box::new(move || drop(done.send(job()))));
        result
    }

    fn push(&self, job: Job) {
        // A sender is whole whatever happened.
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.is_none() {
            let (sender, receiver) = channel();
            let started = thread::Builder::new()
                .name("loader".to_owned())
                .spawn(move || work(&receiver));
            if started.is_ok() {
                *jobs = Some(sender);
            }
        }
        // It fails only without the thread, and then the job ends here.
        let unsent = match &*jobs {
            Some(jobs) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        drop(jobs);
        drop(unsent);
    }
}

fn work(jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut next = Ok(first);
        while let Ok(job) = next {
            // Whoever waits for the result learns of a panic by its absence.
            drop(catch_unwind(AssertUnwindSafe(job)));
            // Nobody is answered before the first policy is there: it is in nobody's way.
            Priority::Loading.take();
            next = jobs.recv_timeout(QUIET);
        }
        give_back();
    }
}

/// Has the allocator return to the system what was freed: mimalloc waits a tenth of a second with that,
/// and then for the next large block that is freed, which would be the next load's.
fn give_back() {
    drop(black_box(Vec::<u8>::with_capacity(LARGE_BYTES)));
}

/// No job for so long, and the memory of the last ones is given back.
const QUIET: Duration = Duration::from_millis(500);

/// A block that is a region of its own to mimalloc; nothing is written to it.
const LARGE_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_run_in_their_order_on_one_thread_that_outlives_a_panic() {
        let loader = Loader::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let job = |at: u32| {
            let order = Arc::clone(&order);
            move || {
                order.lock().unwrap().push(at);
                thread::current().id()
            }
        };
        drop(loader.run(job(1)));
        let first = loader.run(job(2)).await.unwrap();
        assert!(
            loader
                .run(|| -> u32 { panic!("on purpose") })
                .await
                .is_err()
        );
        assert_eq!(loader.clone().run(job(3)).await.unwrap(), first);
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
        assert_ne!(first, thread::current().id());
    }
}
