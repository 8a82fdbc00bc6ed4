//! Values that change while the server runs: one writer publishes, the line of a check loads.
//!
//! A load never blocks and never waits for a publish; a publish swaps the whole value in one step,
//! so a check that holds the old value finishes with it.

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};

/// A slot for the current value of `T`; empty until the first [`Snapshot::publish`].
#[derive(Debug)]
pub struct Snapshot<T> {
    current: Arc<ArcSwapOption<T>>,
}

impl<T> Snapshot<T> {
    /// An empty slot.
    pub fn empty() -> Self {
        Self {
            current: Arc::new(ArcSwapOption::empty()),
        }
    }

    /// A slot that already holds `value`.
    pub fn of(value: T) -> Self {
        let slot = Self::empty();
        slot.publish(Arc::new(value));
        slot
    }

    /// Replaces the value; loads that come after this call see the new one.
    pub fn publish(&self, value: Arc<T>) {
        self.current.store(Some(value));
    }

    /// The current value, borrowed without touching its reference count; `None` before the first
    /// publish. For use within one check: do not hold it across an await.
    pub fn load(&self) -> Guard<Option<Arc<T>>> {
        self.current.load()
    }

    /// The current value to keep.
    pub fn load_full(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self {
            current: Arc::clone(&self.current),
        }
    }
}
