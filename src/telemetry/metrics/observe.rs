//! The metrics of the live tail.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use super::registered;

/// Every series; clones share them.
#[derive(Clone, Debug)]
pub struct Observe {
    watchers: Gauge,
    lost: Counter,
}

/// Somebody watches for as long as this lives.
#[derive(Debug)]
#[must_use = "the watcher counts as gone when this is dropped"]
pub struct Watching(Gauge);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Observe {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self {
            watchers: registered(
                registry,
                "observe_watchers",
                "Callers that watch decisions live",
            ),
            lost: registered(
                registry,
                "observe_lost",
                "Decisions that a watcher was too slow for",
            ),
        }
    }

    /// Counts one more watcher.
    pub fn watch(&self) -> Watching {
        self.watchers.inc();
        Watching(self.watchers.clone())
    }

    /// Counts `n` decisions that a watcher did not see.
    pub fn lost(&self, n: u64) {
        self.lost.inc_by(n);
    }
}
