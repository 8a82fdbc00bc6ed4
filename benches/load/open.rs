//! The open-loop load generator: calls arrive at random times at a constant mean rate, whatever
//! becomes of those before.
//!
//! Arrivals are a Poisson process, because many clients that know nothing of each other make one, and
//! because evenly spaced calls would never queue below capacity. They come from a seed, so that sides
//! get the same. Every call is timed from when it was due: waiting on the generator's side counts too.
//! A call that cannot be sent, because its connections are full or the generator is too late, is
//! counted; the generator never slows down. A connection that is lost is replaced. It is one thread
//! over `h2` with prepared bytes, and cancels with RST what is not answered in time.

mod answer;
mod arrivals;
mod call;
mod closed;
mod pace;
mod slot;
mod tally;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio_util::task::TaskTracker;

pub(crate) use self::{
    answer::Class,
    call::{Call, Connection},
    closed::closed_loop,
    pace::Pace,
    tally::{Tally, Took, float},
};
use self::{arrivals::arrivals, pace::Pacer, slot::Slot};

/// Calls of one kind, and how many of them arrive a second on average.
pub(crate) struct Stream {
    pub(crate) call: Call,
    pub(crate) rate: f64,
}

/// What the load goes through and how.
pub(crate) struct Generator {
    slots: Vec<Slot>,
    pacer: Pacer,
}

/// A call that is so late when it could be sent is not sent: the generator is what is slow.
const TOO_LATE: Duration = Duration::from_millis(20);

impl Generator {
    /// `connections` to `address`, with up to `outstanding` calls on each.
    pub(crate) async fn connect(
        address: &str,
        connections: usize,
        outstanding: usize,
        pace: Pace,
    ) -> Self {
        let mut slots = Vec::new();
        for _ in 0..connections {
            slots.push(Slot::open(address, outstanding).await);
        }
        Self {
            slots,
            pacer: Pacer::new(pace),
        }
    }

    /// Lets the calls of `streams` arrive for the time of a `window`, waits until all are over, and
    /// returns what became of each stream. A stream has the same arrivals for the same `seed` and place.
    pub(crate) async fn run(
        &mut self,
        streams: &[Stream],
        window: Duration,
        seed: u64,
    ) -> Vec<Tally> {
        let tallies: Vec<Arc<Mutex<Tally>>> = streams
            .iter()
            .map(|_| Arc::new(Mutex::new(Tally::new(window))))
            .collect();
        let tasks = TaskTracker::new();
        let rates: Vec<f64> = streams.iter().map(|stream| stream.rate).collect();
        let began = Instant::now();
        for (turn, (at, stream)) in arrivals(&rates, window, seed).enumerate() {
            let due = began + at;
            self.pacer.until(due).await;
            let tally = &tallies[stream];
            let late = due.elapsed();
            tally.lock().unwrap().arrived(late);
            if late > TOO_LATE {
                tally.lock().unwrap().late += 1;
                continue;
            }
            match self.start(turn, &streams[stream].call) {
                None => tally.lock().unwrap().full += 1,
                Some(started) => {
                    let (tally, sent) = (Arc::clone(tally), Instant::now());
                    tasks.spawn(async move {
                        let answer = started.answer().await;
                        let mut tally = tally.lock().unwrap();
                        let took = Took {
                            latency: due.elapsed(),
                            on_the_way: sent.elapsed(),
                            into_window: began.elapsed(),
                        };
                        tally.answered(&answer, took);
                    });
                }
            }
        }
        tasks.close();
        tasks.wait().await;
        let own = |tally: Arc<Mutex<Tally>>| Arc::into_inner(tally).unwrap().into_inner().unwrap();
        tallies.into_iter().map(own).collect()
    }

    /// On the connection whose turn it is, or the next that has room.
    fn start(&mut self, turn: usize, call: &Call) -> Option<call::Started> {
        let many = self.slots.len();
        (0..many).find_map(|next| self.slots[(turn + next) % many].start(call))
    }
}
