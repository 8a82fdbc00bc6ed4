//! From files and bundles to the active policy: compile aside, then swap in one step.
//!
//! Promises that the policy of running checks is only ever replaced by one that compiled as a whole
//! from everything that must be there; that one that did not fit is tried again together with what
//! comes later; and that every attempt is counted, logged and shown, with the reason when it failed.

mod attempt;
mod describe;
mod error;
mod failed;
mod parts;

use std::{
    collections::BTreeSet,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::watch;

use self::{
    failed::Failed,
    parts::{Key, Part, Parts, Selection},
};
use super::{bundles::status::Statuses, loader::Loader};
use crate::{
    check::Active,
    clock::Clock,
    digest::Digest,
    input,
    policy::{
        LoadOptions, Policy, PolicyFile, PolicySet,
        bundle::{Bundle, Verification},
    },
    snapshot::Snapshot,
    telemetry::{BundleActivated, Metrics, PolicyActivated, PolicyRejected, event::ActivePolicy},
};

pub use describe::{bundles, describe};
pub use error::ActivationError;

/// Compiles policies and makes them the active one.
#[derive(Debug)]
pub struct Publisher {
    active: Snapshot<Active>,
    load: LoadOptions,
    /// What makes the archives among the files genuine.
    verification: Arc<Verification>,
    input: input::Options,
    /// Where the plain files come from, as the user knows it.
    source: String,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// Held while one attempt goes on: there is one at a time.
    turn: Mutex<()>,
    parts: Mutex<Parts>,
    failed: Mutex<Failed>,
    last: Mutex<Last>,
    statuses: Statuses,
    /// How many policies became active.
    activations: watch::Sender<u64>,
    loader: Loader,
}

/// How the last attempts went.
#[derive(Debug, Default)]
struct Last {
    activated_at: Option<Duration>,
    error: Option<String>,
}

/// A bundle that may become part of the policy.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The bundle; its name says which one it is.
    pub bundle: Arc<Bundle>,
    /// What it was made from: two with the same digest are the same.
    pub digest: Digest,
    /// Whether its tests must hold.
    pub run_tests: bool,
    /// The key that verified it.
    pub signed_by: Option<Arc<str>>,
    /// Which source it is from, as [`Publisher::renew`] has numbered it.
    pub generation: u64,
}

/// What came of an offer that is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activated {
    /// It is part of the active policy from now on.
    Now(Took),
    /// It was part of the active policy before.
    Same,
    /// Nothing is active until these bundles are there too.
    Waiting(Vec<Arc<str>>),
}

/// How long the steps of an attempt took; `None`: a step that was not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Compiling everything together.
    pub compile: Option<Duration>,
    /// Running the bundles' own tests.
    pub tests: Option<Duration>,
}

impl Publisher {
    /// A publisher into a new, empty snapshot. `source` tells where plain files come from.
    pub fn new(
        load: LoadOptions,
        input: input::Options,
        source: String,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self {
            active: Snapshot::empty(),
            load,
            verification: Arc::default(),
            input,
            source,
            metrics,
            clock,
            turn: Mutex::default(),
            parts: Mutex::default(),
            failed: Mutex::default(),
            last: Mutex::default(),
            statuses: Statuses::new(),
            activations: watch::Sender::new(0),
            loader: Loader::default(),
        }
    }

    /// The same with what makes the archives among the files genuine.
    #[must_use]
    pub fn verifying_files(mut self, verification: Arc<Verification>) -> Self {
        self.verification = verification;
        self
    }

    /// The same, without which plain files nothing becomes active: said before anything is offered.
    #[must_use]
    pub fn expecting_files(self) -> Self {
        self.parts().expect_files();
        self
    }

    /// Where the active policy is found.
    pub fn active(&self) -> &Snapshot<Active> {
        &self.active
    }

    /// What is known of each bundle.
    pub fn statuses(&self) -> &Statuses {
        &self.statuses
    }

    /// Where to call what blocks here.
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// Tells each time a policy became active.
    pub fn activations(&self) -> watch::Receiver<u64> {
        self.activations.subscribe()
    }

    /// Waits until there is an active policy.
    pub async fn activated(&self) {
        let mut activations = self.activations();
        while self.active.load().is_none() {
            // The sender lives as long as this.
            if activations.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether the active policy consists of everything that must be there.
    pub fn is_complete(&self) -> bool {
        self.active.load().is_some() && self.parts().missing_from_current().is_empty()
    }

    /// The digest of the bundle `name` in the active policy.
    pub fn active_digest(&self, name: &str) -> Option<Digest> {
        let parts = self.parts();
        let active = self.active.load().is_some();
        parts
            .current_bundle(name)
            .filter(|_| active)
            .map(|candidate| candidate.digest)
    }

    /// The bundle `name` in the active policy.
    pub fn active_bundle(&self, name: &str) -> Option<Arc<Bundle>> {
        let parts = self.parts();
        let active = self.active.load().is_some();
        let bundle = parts.current_bundle(name).filter(|_| active);
        bundle.map(|candidate| Arc::clone(&candidate.bundle))
    }

    /// Begins another source of the bundle `name`, and gives it a number: what came from the one
    /// before and is not active is withdrawn, and what still comes from it is refused.
    pub fn renew(&self, name: &Arc<str>) -> u64 {
        let (generation, withdrawn) = self.parts().renew(name);
        // It is freed where checks do not wait for it.
        drop(self.loader.run(move || drop(withdrawn)));
        self.show_waiting();
        generation
    }

    /// Says which bundles must be there, from now on: nothing becomes active for the first time
    /// before, and one that is not named any more leaves once nothing is missing. Blocks.
    pub fn expect(
        &self,
        names: impl IntoIterator<Item = Arc<str>>,
    ) -> Result<Activated, ActivationError> {
        let _turn = self.take_turn();
        let names: BTreeSet<Arc<str>> = names.into_iter().collect();
        let (changes, missing) = {
            let mut parts = self.parts();
            (parts.expect_bundles(names), parts.missing())
        };
        if !changes || !missing.is_empty() || self.active.load().is_none() {
            self.show_waiting();
            return Ok(self.waiting());
        }
        self.attempt(None)
    }

    /// Whether each of `files` can be read by itself, whatever bundles there are. Blocks.
    pub fn read_files(&self, files: &[PolicyFile]) -> Result<(), ActivationError> {
        let set = PolicySet {
            files,
            bundles: &[],
            verification: Some(&self.verification),
        };
        Ok(Policy::read_set(&set, &self.load)?)
    }

    /// Makes `files` the plain files of the policy, or keeps those there are. Blocks.
    pub fn set_files(&self, files: Vec<PolicyFile>) -> Result<Activated, ActivationError> {
        let _turn = self.take_turn();
        self.parts().offer(Key::Files, Part::of_files(files));
        self.attempt(Some(&Key::Files))
    }

    /// Makes a bundle part of the policy, or keeps the one of its name. Blocks.
    pub fn offer(&self, candidate: Candidate) -> Result<Activated, ActivationError> {
        let _turn = self.take_turn();
        let name: Arc<str> = candidate.bundle.name().into();
        let key = Key::Bundle(Arc::clone(&name));
        {
            let mut parts = self.parts();
            if !parts.expects(&key) || parts.generation(&name) != candidate.generation {
                return Err(ActivationError::Unexpected(name));
            }
            let active = self.active.load().is_some();
            if active
                && parts
                    .current_bundle(&name)
                    .is_some_and(|current| current.digest == candidate.digest)
            {
                // One that was refused meanwhile is not wanted any more.
                parts.withdraw(&key);
                drop(parts);
                self.clear(&name);
                return Ok(Activated::Same);
            }
            parts.offer(key.clone(), Part::Bundle(candidate));
        }
        let activated = self.attempt(Some(&key))?;
        if !matches!(activated, Activated::Now(_)) {
            self.clear(&name);
        }
        Ok(activated)
    }

    /// Notes that the next policy could not even be read, or not compiled; the active one stays.
    pub fn reject(&self, problems: &dyn Display) {
        self.reject_of(&self.source, problems);
    }

    /// What is active, for people.
    pub fn status(&self) -> Value {
        let last = self.last();
        let active = self.active.load_full();
        let active = active.as_deref().map(Active::policy);
        let activated_at = last.activated_at.map(|at| at.as_secs());
        let mut shown = describe::status(active, &self.source, activated_at, last.error.as_deref());
        let bundles = bundles(&self.statuses.current());
        if !bundles.is_empty() {
            shown.insert("bundles".to_owned(), bundles.into());
        }
        shown.into()
    }

    /// Makes `next` active, unless something of it was withdrawn.
    fn publish(&self, next: Active, selection: &Selection) -> bool {
        let next = Arc::new(next);
        let at = self.clock.now().unix;
        let old = self.active.load_full();
        let replaced = {
            let mut parts = self.parts();
            if !parts.have(selection) {
                return false;
            }
            self.active.publish(Arc::clone(&next));
            parts.activate(selection)
        };
        *self.last() = Last {
            activated_at: Some(at),
            error: None,
        };
        PolicyActivated {
            policy: described(&next),
            source: &self.places(),
            at,
        }
        .emit(&self.metrics);
        for candidate in replaced {
            BundleActivated {
                bundle: candidate.bundle.name(),
                revision: candidate.bundle.revision(),
                signed_by: candidate.signed_by.as_deref(),
                at,
            }
            .emit(&self.metrics);
            self.statuses.change(candidate.bundle.name(), |status| {
                status.active = true;
                status.active_revision = candidate.bundle.revision().map(Into::into);
                status.last_successful_activation = Some(at);
                status.signed_by.clone_from(&candidate.signed_by);
                status.failure = None;
            });
        }
        self.activations
            .send_modify(|count| *count = count.wrapping_add(1));
        if let Some(old) = old {
            drop(self.loader.run(move || Active::retire(old)));
        }
        true
    }

    /// Tells why nothing changed. Before there is any policy that concerns every bundle.
    fn refuse(&self, of: Option<&Key>, error: &ActivationError) {
        let failure = error.failure();
        let offered = if self.active.load().is_some() {
            of.and_then(Key::bundle).into_iter().cloned().collect()
        } else {
            self.parts().offered_bundles()
        };
        for name in offered {
            self.statuses
                .change(&name, |status| status.failure = Some(failure.clone()));
        }
        self.reject_of(&self.places(), error);
    }

    fn reject_of(&self, source: &str, problems: &dyn Display) {
        let kept = self.active.load_full();
        self.last().error = Some(problems.to_string());
        PolicyRejected {
            problems,
            source,
            kept: kept.as_deref().map(|active| active.policy().revision()),
        }
        .emit(&self.metrics);
    }

    /// Tells that nothing is wrong with a bundle. Within the turn: what comes later stays.
    fn clear(&self, name: &str) {
        self.statuses.change(name, |status| status.failure = None);
        self.show_waiting();
    }

    /// Shows of every bundle what it waits for.
    fn show_waiting(&self) {
        // Held, so that what is shown last is what is true.
        let parts = self.parts();
        for (name, waiting) in parts.waiting() {
            self.statuses
                .change(&name, |status| status.waiting = waiting);
        }
    }

    fn waiting(&self) -> Activated {
        let missing = self.parts().missing();
        if missing.is_empty() {
            Activated::Same
        } else {
            Activated::Waiting(missing)
        }
    }

    /// The places of everything that is configured.
    fn places(&self) -> String {
        let statuses = self.statuses.current();
        let parts = self.parts();
        let files = parts.expects(&Key::Files).then_some(self.source.as_str());
        let bundles = statuses.iter().filter(|status| {
            let key = Key::Bundle(Arc::clone(&status.name));
            parts.expects(&key)
        });
        let bundles = bundles.map(|status| &*status.place);
        let places: Vec<&str> = files.into_iter().chain(bundles).collect();
        places.join(", ")
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        // A compiler that panicked has left nothing half done: what it made was not published.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Failed> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn described(active: &Active) -> ActivePolicy<'_> {
    ActivePolicy {
        revision: active.policy().revision(),
        engine: active.policy().engine(),
    }
}

#[cfg(test)]
mod tests;
