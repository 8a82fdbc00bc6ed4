//! Whether a bundle holds readiness back: until it is active, or was added to a policy that is, and, if so configured, while its source
//! has been silent for too long.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{
    MaxAge,
    status::{Status, Statuses},
};
use crate::{
    check::Active,
    clock::Clock,
    ready::{Pending, Ready},
    snapshot::Snapshot,
    telemetry::{BundleOld, Metrics},
};

/// The readiness of one bundle; it is held back as long as nobody says otherwise.
#[derive(Debug)]
pub(super) struct Hold {
    ready: Ready,
    name: String,
    pending: Mutex<Option<Pending>>,
}

impl Hold {
    /// For the bundle `name`: whether it holds readiness back from now on.
    pub(super) fn new(ready: &Ready, name: &str, held: bool) -> Self {
        let name = format!("bundle:{name}");
        let pending = Mutex::new(held.then(|| ready.register(name.clone())));
        Self {
            ready: ready.clone(),
            name,
            pending,
        }
    }

    /// Holds readiness back, or does not any more.
    pub(super) fn set(&self, held: bool) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match (pending.take(), held) {
            (Some(pending), false) => pending.done(),
            (None, true) => *pending = Some(self.ready.register(self.name.clone())),
            (before, _) => *pending = before,
        }
    }
}

/// Looks at the status of one bundle.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) name: Arc<str>,
    pub(super) hold: Arc<Hold>,
    /// The policy: once there is one, a bundle that is new is not waited for.
    pub(super) policy: Snapshot<Active>,
    pub(super) max_age: Option<MaxAge>,
    pub(super) statuses: Statuses,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
}

impl Watch {
    /// Goes on until nobody changes the status any more. What was not heard since the start counts as
    /// heard then.
    pub(super) async fn run(self) {
        let started = self.clock.now().unix;
        let mut changes = self.statuses.watch();
        let mut old = false;
        loop {
            let all = changes.current();
            let Some(status) = all.iter().find(|status| status.name == self.name) else {
                return;
            };
            let age = self.age(status, started);
            let is_old = self.max_age.is_some_and(|max| age >= max.age);
            if old != is_old {
                old = is_old;
                self.tell(old, age);
            }
            let unready = old && self.max_age.is_some_and(|max| max.unready);
            self.hold.set(if status.active {
                unready
            } else {
                self.policy.load().is_none()
            });
            let next = self
                .max_age
                .filter(|_| !old)
                .map(|max| max.age.saturating_sub(age));
            tokio::select! {
                changed = changes.changed() => if changed.is_none() { return },
                () = sleep(next.unwrap_or(NEVER)) => {}
            }
        }
    }

    fn age(&self, status: &Status, started: Duration) -> Duration {
        let heard = status.last_heard.unwrap_or(started).max(started);
        self.clock.now().unix.saturating_sub(heard)
    }

    fn tell(&self, old: bool, age: Duration) {
        let Some(max) = self.max_age else { return };
        BundleOld {
            bundle: &self.name,
            old,
            age,
            max_age: max.age,
            unready: max.unready,
        }
        .emit(&self.metrics);
    }
}

/// Longer than a process lives, and no more than a timer takes.
pub(super) const NEVER: Duration = Duration::from_hours(24 * 365);
