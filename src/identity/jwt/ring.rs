//! The keys of all providers as one immutable value, swapped as a whole.
//!
//! A check takes one [`KeyRing`] and sees nothing of a change meanwhile. The generation changes with
//! every change of any key, so that what was verified with a removed key is never found again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::KeySet;
use crate::snapshot::Snapshot;

/// The keys of all providers at one moment.
#[derive(Clone, Debug)]
pub struct KeyRing {
    generation: u64,
    providers: Box<[ProviderKeys]>,
}

impl KeyRing {
    /// Changes whenever a key does.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The keys of the provider at this place of the configuration, if they may be used at `now`.
    pub fn usable(&self, provider: usize, now: Instant) -> Option<&KeySet> {
        let keys = self.providers.get(provider)?;
        let in_time = keys.usable_until.is_none_or(|until| now < until);
        keys.set.as_deref().filter(|_| in_time)
    }
}

/// The keys of one provider.
#[derive(Clone, Debug, Default)]
pub struct ProviderKeys {
    /// The last good set; `None` before the first.
    pub set: Option<Arc<KeySet>>,
    /// When it is too old to be trusted; `None`: never.
    pub usable_until: Option<Instant>,
}

/// Where the current [`KeyRing`] is, for those who change it and those who read it; clones share it.
#[derive(Clone, Debug)]
pub struct KeyRings {
    current: Snapshot<KeyRing>,
    writer: Arc<Mutex<KeyRing>>,
}

impl KeyRings {
    /// A ring without any key for this many providers.
    pub fn new(providers: usize) -> Self {
        let ring = KeyRing {
            generation: 0,
            providers: vec![ProviderKeys::default(); providers].into(),
        };
        Self {
            current: Snapshot::of(ring.clone()),
            writer: Arc::new(Mutex::new(ring)),
        }
    }

    /// The current ring.
    pub fn snapshot(&self) -> &Snapshot<KeyRing> {
        &self.current
    }

    /// Replaces the keys of one provider. The generation changes when the keys do.
    pub fn set(&self, provider: usize, keys: ProviderKeys) {
        let mut ring = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = ring.providers.get_mut(provider) else {
            return;
        };
        let changed = slot.set != keys.set;
        *slot = keys;
        if changed {
            ring.generation = ring.generation.wrapping_add(1);
        }
        self.current.publish(Arc::new(ring.clone()));
    }
}
