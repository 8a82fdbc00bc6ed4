//! The way from a check that misses a key to the task that fetches keys: a nudge, never a wait.
//!
//! Promises at most one accepted nudge in each `min_refresh`, counted from the begin of the last
//! fetch whatever caused that, and at most one for a `kid` that a fetch has just not brought.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, watch};

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
pub struct Refresh {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    min_refresh: Duration,
    /// How long a `kid` that a fetch has not brought is not asked for again. An issuer may use a key some
    /// seconds before everybody can see it, so this is no more than a few intervals.
    remember: Duration,
    state: Mutex<State>,
    wake: Notify,
    rounds: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// When the last fetch began, or was last asked for.
    began: Option<Instant>,
    phase: Phase,
    /// The kids that were asked for, by digest, so that their length does not matter.
    known_unknown: HashMap<[u8; 32], Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing is to do.
    #[default]
    Idle,
    /// A nudge is accepted.
    Asked,
    /// The task knows.
    Heard,
    /// A fetch has begun and not ended.
    Fetching,
}

impl State {
    fn within(&self, span: Duration, now: Instant) -> bool {
        self.began
            .is_some_and(|began| now.saturating_duration_since(began) < span)
    }
}

impl Refresh {
    /// The most kids that are remembered.
    pub const MAX_KIDS: usize = 1024;

    /// The most checks that wait for one provider's keys.
    pub const MAX_WAITING: usize = 1024;

    /// Nothing fetched yet.
    pub fn new(min_refresh: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                min_refresh,
                remember: min_refresh.saturating_mul(3).max(Duration::from_secs(1)),
                state: Mutex::default(),
                wake: Notify::new(),
                rounds: watch::Sender::new(0),
            }),
        }
    }

    /// Asks for a fetch because no key has this `kid`. Cheap, never blocks.
    pub fn ask(&self, kid: &str, now: Instant) -> Nudge {
        let kid = Sha256::digest(kid.as_bytes()).into();
        let is_remembered =
            |since: &Instant| now.saturating_duration_since(*since) < self.shared.remember;
        let mut state = self.state();
        if state.known_unknown.get(&kid).is_some_and(is_remembered) {
            return Nudge::KnownUnknown;
        }
        if state.phase == Phase::Fetching || state.within(self.shared.min_refresh, now) {
            return Nudge::Throttled;
        }
        state.known_unknown.retain(|_, since| is_remembered(since));
        if state.known_unknown.len() < Self::MAX_KIDS {
            // The fetch that begins now brings this kid, or it is not asked for again so soon.
            state.known_unknown.insert(kid, now);
        }
        state.began = Some(now);
        state.phase = Phase::Asked;
        drop(state);
        self.shared.wake.notify_one();
        Nudge::Accepted
    }

    /// For the task: waits for the next accepted nudge.
    pub async fn asked(&self) {
        // The phase counts, not the wake-up: a fetch that began for another reason is the answer.
        while !self.hear() {
            self.shared.wake.notified().await;
        }
    }

    fn hear(&self) -> bool {
        let mut state = self.state();
        let asked = state.phase == Phase::Asked;
        if asked {
            state.phase = Phase::Heard;
        }
        asked
    }

    /// For the task: a fetch begins.
    pub fn began(&self, now: Instant) {
        let mut state = self.state();
        state.began = Some(now);
        state.phase = Phase::Fetching;
    }

    /// For the task: the fetch is over, and its keys, if any, are published. Wakes those who wait.
    pub fn ended(&self) {
        self.state().phase = Phase::Idle;
        self.shared
            .rounds
            .send_modify(|rounds| *rounds = rounds.wrapping_add(1));
    }

    /// How many fetches have ended; for [`Refresh::after`].
    pub fn rounds(&self) -> u64 {
        *self.shared.rounds.borrow()
    }

    /// Waits until a fetch ends after `round`; not at all when [`MAX_WAITING`](Self::MAX_WAITING) wait
    /// already, so that a flood of unknown keys is not held in memory.
    pub async fn after(&self, round: u64) {
        if self.shared.rounds.receiver_count() >= Self::MAX_WAITING {
            return;
        }
        let mut rounds = self.shared.rounds.subscribe();
        // An error means that nobody fetches any more; `self` keeps the sender, so there is none.
        drop(rounds.wait_for(|ended| *ended != round).await);
    }

    /// Whether a fetch is so near its end that waiting for it can help: one is under way or asked
    /// for, and not for longer than `min_refresh`.
    pub(super) fn is_under_way(&self, now: Instant) -> bool {
        let state = self.state();
        state.phase != Phase::Idle && state.within(self.shared.min_refresh, now)
    }

    /// Held for a few instructions only; a poisoned state is still a valid one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
