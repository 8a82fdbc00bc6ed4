//! One counter for each value of a closed label, all there from the start.

use std::sync::Arc;

use prometheus_client::metrics::{counter::Counter, family::Family};

use super::Label;

/// The counters; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Counters<K>(Arc<[(K, Counter)]>);

impl<K: Copy + PartialEq> Counters<K> {
    /// A counter for each of `all`.
    pub(super) fn new(all: &[K], make: impl Fn(K) -> Counter) -> Self {
        Self(all.iter().map(|key| (*key, make(*key))).collect())
    }

    /// The series of `family` whose one label has these values.
    pub(super) fn of(
        family: &Family<[Label; 1], Counter>,
        label: &'static str,
        all: &[K],
        name: impl Fn(K) -> &'static str,
    ) -> Self {
        Self::new(all, |key| {
            family.get_or_create_owned(&[(label, name(key).to_owned())])
        })
    }

    /// Counts `n` more.
    pub(super) fn add(&self, key: K, n: u64) {
        if let Some((_, counter)) = self.0.iter().find(|(of, _)| *of == key) {
            counter.inc_by(n);
        }
    }
}
