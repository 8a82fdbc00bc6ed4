//! Readiness: what must be done before this server answers, by name.
//!
//! Readiness has to be earned: a task that is dropped before [`Pending::done`] stays pending, so a
//! source that dies never makes the server ready. A drain is final.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

/// The readiness of this process; clones share it.
#[derive(Clone, Debug)]
pub struct Ready {
    state: Arc<watch::Sender<State>>,
}

impl Ready {
    /// Ready as long as nothing is registered.
    pub fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }

    /// Adds something that readiness waits for; `/readyz` shows `name` until it is done.
    pub fn register(&self, name: impl Into<String>) -> Pending {
        let name = name.into();
        self.state.send_modify(|state| {
            let tasks = state.pending.entry(name.clone()).or_default();
            *tasks = tasks.saturating_add(1);
        });
        Pending {
            name,
            state: Arc::clone(&self.state),
        }
    }

    /// Ends readiness for good: the process is about to stop.
    pub fn drain(&self) {
        self.state.send_modify(|state| state.draining = true);
    }

    /// Where readiness stands.
    pub fn current(&self) -> Readiness {
        self.state.borrow().readiness()
    }

    /// Follows readiness from now on.
    pub fn watch(&self) -> Watch {
        Watch {
            state: self.state.subscribe(),
        }
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self::new()
    }
}

/// Where readiness stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Checks are answered by policy.
    Ready,
    /// These tasks are not done, in alphabetical order.
    Pending(Vec<String>),
    /// The process is about to stop.
    Draining,
}

impl Readiness {
    /// Whether traffic may be sent here.
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Ready => true,
            Self::Pending(_) | Self::Draining => false,
        }
    }
}

/// Something that readiness waits for.
#[derive(Debug)]
#[must_use = "a task that is dropped before it is done stays pending"]
pub struct Pending {
    name: String,
    state: Arc<watch::Sender<State>>,
}

impl Pending {
    /// Marks the task as done.
    pub fn done(self) {
        self.state.send_modify(|state| {
            let left = state
                .pending
                .get(&self.name)
                .map_or(0, |tasks| tasks.saturating_sub(1));
            if left == 0 {
                state.pending.remove(&self.name);
            } else {
                state.pending.insert(self.name, left);
            }
        });
    }
}

/// Follows readiness.
#[derive(Debug)]
pub struct Watch {
    state: watch::Receiver<State>,
}

impl Watch {
    /// Where readiness stands; the next [`changed`](Self::changed) waits for something newer.
    pub fn current(&mut self) -> Readiness {
        self.state.borrow_and_update().readiness()
    }

    /// Waits for the next change; `None` when the last [`Ready`] is gone.
    pub async fn changed(&mut self) -> Option<Readiness> {
        self.state.changed().await.ok()?;
        Some(self.current())
    }
}

#[derive(Debug, Default)]
struct State {
    pending: BTreeMap<String, usize>,
    draining: bool,
}

impl State {
    fn readiness(&self) -> Readiness {
        if self.draining {
            Readiness::Draining
        } else if self.pending.is_empty() {
            Readiness::Ready
        } else {
            Readiness::Pending(self.pending.keys().cloned().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(names: &[&str]) -> Readiness {
        Readiness::Pending(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn readiness_names_what_is_pending_until_all_of_it_is_done() {
        let ready = Ready::new();
        let policy = ready.register("policy");
        let keys = ready.register("keys");
        assert_eq!(ready.current(), pending(&["keys", "policy"]));
        policy.done();
        assert_eq!(ready.current(), pending(&["keys"]));
        keys.done();
        assert_eq!(ready.current(), Readiness::Ready);
    }

    #[test]
    fn a_name_registered_twice_is_pending_until_both_are_done() {
        let ready = Ready::new();
        let (first, second) = (ready.register("bundle"), ready.register("bundle"));
        first.done();
        assert_eq!(ready.current(), pending(&["bundle"]));
        second.done();
        assert_eq!(ready.current(), Readiness::Ready);
    }

    #[test]
    fn a_task_that_dies_before_it_is_done_stays_pending() {
        let ready = Ready::new();
        drop(ready.register("policy"));
        assert_eq!(ready.current(), pending(&["policy"]));
    }

    #[test]
    fn a_drain_is_final() {
        let ready = Ready::new();
        let policy = ready.register("policy");
        ready.drain();
        policy.done();
        assert_eq!(ready.current(), Readiness::Draining);
        assert!(!ready.current().is_ready());
    }

    #[tokio::test]
    async fn a_watch_sees_the_change() {
        let ready = Ready::new();
        let policy = ready.register("policy");
        let mut watch = ready.watch();
        assert!(!watch.current().is_ready());
        policy.done();
        assert_eq!(watch.changed().await, Some(Readiness::Ready));
    }
}
