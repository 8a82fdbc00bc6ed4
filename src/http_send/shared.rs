//! What requests share: responses that are kept, and fetches that are under way.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use moka::sync::Cache;
use tokio::{sync::watch, time::timeout_at};

use super::{error::SendError, freshness::Life, response::Response};
use crate::{digest::Digest, input::Value};

/// Responses that are kept, bounded in bytes.
#[derive(Debug)]
pub(super) struct Shared {
    kept: Cache<Digest, Arc<Kept>>,
    bytes: u64,
}

/// A response that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) response: Response,
    pub(super) document: Value,
    pub(super) life: Life,
    weight: u32,
}

impl Kept {
    pub(super) fn new(response: Response, document: Value, life: Life) -> Self {
        let weight = response.weight(&document).saturating_add(ENTRY);
        Self {
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
            response,
            document,
            life,
        }
    }
}

impl Shared {
    /// Keeps responses of about `bytes` in all.
    pub(super) fn new(bytes: u64) -> Self {
        let kept = Cache::builder()
            .max_capacity(bytes)
            .weigher(|_key: &Digest, kept: &Arc<Kept>| kept.weight)
            .build();
        Self { kept, bytes }
    }

    pub(super) fn get(&self, key: &Digest) -> Option<Arc<Kept>> {
        self.kept.get(key)
    }

    pub(super) fn keep(&self, key: Digest, kept: Kept) {
        // The cache itself would take it in and notice later.
        if u64::from(kept.weight) <= self.bytes {
            self.kept.insert(key, Arc::new(kept));
        } else {
            self.forget(&key);
        }
    }

    pub(super) fn forget(&self, key: &Digest) {
        self.kept.invalidate(key);
    }
}

/// What a fetch has brought.
#[derive(Clone, Debug)]
pub(super) struct Landed {
    pub(super) document: Value,
    /// The server says that it cannot answer now (5xx).
    pub(super) failed: bool,
    /// The response that was kept is still the one.
    pub(super) confirmed: bool,
}

type Outcome = Option<Result<Landed, SendError>>;
type UnderWay = Arc<Mutex<HashMap<Digest, Flight>>>;

/// Fetches under way, one for each key.
#[derive(Debug, Default)]
pub(super) struct Flights(UnderWay);

/// A fetch that somebody waits for.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    began: Instant,
    outcome: watch::Receiver<Outcome>,
}

/// The duty to end a fetch.
#[derive(Debug)]
pub(super) struct Pilot {
    key: Digest,
    under_way: UnderWay,
    outcome: watch::Sender<Outcome>,
}

/// What became of beginning a fetch.
pub(super) enum Begun {
    /// It is ours to make.
    Ours(Pilot, Flight),
    /// Somebody else has begun meanwhile.
    Joined(Flight),
    /// Somebody else is done meanwhile.
    Meanwhile(Value),
}

impl Flights {
    pub(super) fn under_way(&self, key: &Digest) -> Option<Flight> {
        let under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.get(key).cloned()
    }

    /// Begins a fetch unless there is one, or `done` knows that there was one.
    pub(super) fn begin(&self, key: Digest, done: impl FnOnce() -> Option<Value>) -> Begun {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match under_way.entry(key) {
            Entry::Occupied(entry) => return Begun::Joined(entry.get().clone()),
            Entry::Vacant(entry) => entry,
        };
        // Asked while nobody can begin or end: what ended has been kept before.
        if let Some(document) = done() {
            return Begun::Meanwhile(document);
        }
        let (outcome, receiver) = watch::channel(None);
        let flight = Flight {
            began: Instant::now(),
            outcome: receiver,
        };
        entry.insert(flight.clone());
        let pilot = Pilot {
            key,
            under_way: Arc::clone(&self.0),
            outcome,
        };
        Begun::Ours(pilot, flight)
    }
}

impl Pilot {
    /// Ends the fetch; the response has been kept before that.
    pub(super) fn land(self, outcome: Result<Landed, SendError>) {
        self.outcome.send_replace(Some(outcome));
    }
}

/// Whatever ends it, nobody joins it any more.
impl Drop for Pilot {
    fn drop(&mut self) {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.key);
    }
}

impl Flight {
    /// Until when to wait for it who would wait until then for a new one: it has had that time before.
    pub(super) fn patience(&self, until: Instant) -> Instant {
        let patience = until.saturating_duration_since(Instant::now());
        let over = self.began.checked_add(patience);
        over.map_or(until, |over| over.min(until))
    }

    /// Waits for the end of the fetch, at most until then.
    pub(super) async fn landed(
        mut self,
        until: Instant,
        timed_out: SendError,
    ) -> Result<Landed, SendError> {
        match timeout_at(until.into(), self.outcome.wait_for(Option::is_some)).await {
            Err(_elapsed) => Err(timed_out),
            // The fetch is gone without a word.
            Ok(Err(_closed)) => Err(SendError::GivenUp),
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Err(SendError::GivenUp)),
        }
    }
}

/// What an entry takes besides its response, in bytes.
const ENTRY: usize = 512;
