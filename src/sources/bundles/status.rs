//! What is known of each bundle: what is active, when its source was last heard from, what went wrong.
//!
//! Written by the followers alone, read by the admin port, metrics and the status reporter. A
//! [`Statuses`] hands out whole snapshots, so that a reader never sees half of a change.

mod report;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::policy::Diagnostic;

pub use crate::telemetry::bundles::{Stage, Timings};

/// The status of one bundle. Times are since the Unix epoch; `None`: not yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The key below `bundles`.
    pub name: Arc<str>,
    /// Where it comes from, as people may see it.
    pub place: Arc<str>,
    /// Whether a bundle of this name is part of the active policy.
    pub active: bool,
    /// `revision` of the active bundle's manifest; `None` when there is none, or it has none.
    pub active_revision: Option<Arc<str>>,
    /// What came last.
    pub form: Option<Form>,
    /// Length of the archive that came last, in bytes.
    pub size: Option<u64>,
    /// When the source was last asked.
    pub last_request: Option<Duration>,
    /// When it last answered: with a bundle, or that there is no other.
    pub last_successful_request: Option<Duration>,
    /// When it last said that there is no other bundle, or gave one that was verified and in order:
    /// what counts for `max_age`.
    pub last_heard: Option<Duration>,
    /// When an archive last came.
    pub last_successful_download: Option<Duration>,
    /// When a bundle last became active.
    pub last_successful_activation: Option<Duration>,
    /// What went wrong last; `None` once it goes well again.
    pub failure: Option<Failure>,
    /// What a bundle that came is held back for; `None`: for nothing.
    pub waiting: Option<Arc<str>>,
    /// How long the steps of the last archive took.
    pub timings: Timings,
    /// The key that verified the active bundle.
    pub signed_by: Option<Arc<str>>,
    /// Whether the active bundle was read from disk, and its source has not been heard from since.
    pub from_disk: bool,
    /// Where a bundle is good only once it was made use of, as that of discovery: what came of the last
    /// one. `None`: nobody looks.
    pub review: Option<Review>,
}

/// What came of using an active bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Review {
    /// The number of the activation that was looked at last; 0: none.
    pub activation: u64,
    /// Whether what it brought is in use.
    pub good: bool,
}

/// What an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A whole bundle.
    Snapshot,
    /// Changes to the one before.
    Delta,
}

impl Form {
    /// OPA's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Delta => "delta",
        }
    }
}

/// Why the last attempt did not change the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it ended.
    pub stage: Stage,
    /// What happened, with its causes.
    pub message: Arc<str>,
    /// The problems of the policy, each with its place; at most [`Failure::MAX_ERRORS`].
    pub errors: Arc<[Diagnostic]>,
    /// The HTTP status that the source answered with.
    pub http_status: Option<u16>,
}

impl Failure {
    /// OPA's code for whatever goes wrong with a bundle.
    pub const CODE: &'static str = "bundle_error";
    /// The most problems that are kept.
    pub const MAX_ERRORS: usize = 100;
}

/// The status of every bundle; clones share it.
#[derive(Clone, Debug)]
pub struct Statuses(Arc<watch::Sender<ByName>>);

type ByName = BTreeMap<Arc<str>, Status>;

impl Statuses {
    /// Of no bundle yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(ByName::new())))
    }

    /// Every bundle's, in the order of their names.
    pub fn current(&self) -> Vec<Status> {
        self.0.borrow().values().cloned().collect()
    }

    /// One bundle's.
    pub fn of(&self, name: &str) -> Option<Status> {
        self.0.borrow().get(name).cloned()
    }

    /// Follows them from now on.
    pub fn watch(&self) -> Changes {
        Changes(self.0.subscribe())
    }

    /// Adds a bundle that nothing is known of.
    pub fn add(&self, name: &Arc<str>, place: &str) {
        self.0.send_modify(|statuses| {
            statuses.entry(Arc::clone(name)).or_default().name = Arc::clone(name);
        });
        self.change(name, |status| status.place = place.into());
    }

    /// Takes a bundle away that is not configured any more.
    pub fn remove(&self, name: &str) {
        self.0
            .send_if_modified(|statuses| statuses.remove(name).is_some());
    }

    /// Changes one bundle's; nothing happens when there is no such bundle, or nothing changes.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Status)) {
        self.0.send_if_modified(|statuses| {
            let Some(status) = statuses.get_mut(name) else {
                return false;
            };
            let before = status.clone();
            change(status);
            *status != before
        });
    }
}

impl Default for Statuses {
    fn default() -> Self {
        Self::new()
    }
}

/// Follows the status of every bundle.
#[derive(Debug)]
pub struct Changes(watch::Receiver<ByName>);

impl Changes {
    /// Every bundle's; the next [`changed`](Self::changed) waits for something newer.
    pub fn current(&mut self) -> Vec<Status> {
        self.0.borrow_and_update().values().cloned().collect()
    }

    /// Waits for the next change; `None` when the last [`Statuses`] is gone.
    pub async fn changed(&mut self) -> Option<Vec<Status>> {
        self.0.changed().await.ok()?;
        Some(self.current())
    }
}

#[cfg(test)]
mod tests;
