//! The way from a check that misses a key to the task that fetches keys: a nudge, never a wait.
//!
//! Promises at most one accepted nudge in each `min_refresh`, counted from the begin of the last
//! fetch whatever caused that, and at most one for a `kid` that a fetch has just not brought.

use std::time::{Duration, Instant};

/// What became of a nudge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// A fetch will begin at once.
    Accepted,
    /// Too soon after the last fetch, or one is under way.
    Throttled,
    /// The last fetch has not brought this `kid`.
    KnownUnknown,
}

/// The refreshing of one provider's keys: checks ask, one task does it. Clones share it.
#[derive(Clone, Debug)]
pub struct Refresh;

impl Refresh {
    /// Nothing fetched yet.
    pub fn new(min_refresh: Duration) -> Self {
        let _ = min_refresh;
        todo!("verifier")
    }

    /// Asks for a fetch because no key has this `kid`. Cheap, never blocks.
    pub fn ask(&self, kid: &str, now: Instant) -> Nudge {
        let _ = (kid, now);
        todo!("verifier")
    }

    /// For the task: waits for the next accepted nudge.
    pub async fn asked(&self) {
        todo!("verifier")
    }

    /// For the task: a fetch begins.
    pub fn began(&self, now: Instant) {
        let _ = now;
        todo!("verifier")
    }

    /// For the task: the fetch is over, and its keys, if any, are published. Wakes those who wait.
    pub fn ended(&self) {
        todo!("verifier")
    }

    /// How many fetches have ended; for [`Refresh::after`].
    pub fn rounds(&self) -> u64 {
        todo!("verifier")
    }

    /// Waits until a fetch ends after `round`.
    pub async fn after(&self, round: u64) {
        let _ = round;
        todo!("verifier")
    }
}
