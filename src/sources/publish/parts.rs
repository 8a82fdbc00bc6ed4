//! What a policy is made of, what was offered for it, and what to try together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Candidate;
use crate::policy::{PolicyFile, bundle::Bundle};

/// Which part of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The plain files, all together.
    Files,
    /// The bundle of this name.
    Bundle(Arc<str>),
}

impl Key {
    /// What people know it by.
    fn shown(&self) -> Arc<str> {
        match self {
            Self::Files => "policy files".into(),
            Self::Bundle(name) => Arc::clone(name),
        }
    }

    pub(super) fn bundle(&self) -> Option<&Arc<str>> {
        match self {
            Self::Files => None,
            Self::Bundle(name) => Some(name),
        }
    }
}

/// A part of a policy.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Files(Arc<[PolicyFile]>),
    Bundle(Candidate),
}

/// The parts of the active policy, and those that are not part of it yet.
#[derive(Debug, Default)]
pub(super) struct Parts {
    expected: BTreeSet<Key>,
    current: BTreeMap<Key, Part>,
    offered: BTreeMap<Key, Part>,
}

/// Parts to be tried together.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    pub(super) files: Arc<[PolicyFile]>,
    pub(super) bundles: Vec<Arc<Bundle>>,
    /// The bundles whose tests must hold.
    pub(super) tested: Vec<Arc<str>>,
    /// Those of them that were offered.
    chosen: BTreeSet<Key>,
}

impl Parts {
    /// Says which bundles must be there; whether that is another set than before. Others that were
    /// offered are forgotten.
    pub(super) fn expect_bundles(&mut self, names: BTreeSet<Arc<str>>) -> bool {
        let mut expected: BTreeSet<Key> = names.into_iter().map(Key::Bundle).collect();
        if self.expected.contains(&Key::Files) {
            expected.insert(Key::Files);
        }
        self.offered.retain(|key, _| expected.contains(key));
        let changes = expected != self.expected;
        self.expected = expected;
        changes
    }

    /// Says that plain files must be there.
    pub(super) fn expect_files(&mut self) {
        self.expected.insert(Key::Files);
    }

    /// Whether this part must be there.
    pub(super) fn expects(&self, key: &Key) -> bool {
        self.expected.contains(key)
    }

    /// Adds a part to be tried. Plain files must be there once there are some.
    pub(super) fn offer(&mut self, key: Key, part: Part) {
        if key == Key::Files {
            self.expect_files();
        }
        self.offered.insert(key, part);
    }

    /// Forgets what was offered.
    pub(super) fn withdraw(&mut self, key: &Key) {
        self.offered.remove(key);
    }

    /// The bundle of this name in the active policy.
    pub(super) fn current_bundle(&self, name: &str) -> Option<&Candidate> {
        self.current.values().find_map(|part| match part {
            Part::Bundle(candidate) if candidate.bundle.name() == name => Some(candidate),
            Part::Bundle(_) | Part::Files(_) => None,
        })
    }

    /// What nobody has offered yet.
    pub(super) fn missing(&self) -> Vec<Arc<str>> {
        let there = |key: &&Key| !self.current.contains_key(key) && !self.offered.contains_key(key);
        let missing = self.expected.iter().filter(there);
        missing.map(Key::shown).collect()
    }

    /// What must be there and is no part of the active policy.
    pub(super) fn missing_from_current(&self) -> Vec<Arc<str>> {
        let missing = self
            .expected
            .iter()
            .filter(|key| !self.current.contains_key(key));
        missing.map(Key::shown).collect()
    }

    /// The bundles that are waiting to be tried again.
    pub(super) fn offered_bundles(&self) -> Vec<Arc<str>> {
        self.offered
            .keys()
            .filter_map(Key::bundle)
            .cloned()
            .collect()
    }

    /// What to try for the sake of `of`, in this order: everything together; `of` alone with what is
    /// current; `of` with one other; everything but one other. Whatever has no current one is part of
    /// each. At most [`MAX_SELECTIONS`].
    pub(super) fn selections(&self, of: Option<&Key>) -> Vec<Selection> {
        let all: BTreeSet<Key> = self.offered.keys().cloned().collect();
        let needed: BTreeSet<Key> = all
            .iter()
            .filter(|key| Some(*key) == of || !self.current.contains_key(key))
            .cloned()
            .collect();
        let others: Vec<&Key> = all.difference(&needed).collect();
        let with = |other: &&Key| needed.iter().chain([*other]).cloned().collect();
        let without = |other: &&Key| all.iter().filter(|key| key != other).cloned().collect();
        let mut tried: Vec<BTreeSet<Key>> = Vec::new();
        let choices = [all.clone(), needed.clone()].into_iter();
        let choices = choices
            .chain(others.iter().map(with))
            .chain(others.iter().map(without));
        for choice in choices {
            if !tried.contains(&choice) && tried.len() < MAX_SELECTIONS {
                tried.push(choice);
            }
        }
        tried
            .into_iter()
            .map(|chosen| self.select(chosen))
            .collect()
    }

    fn select(&self, chosen: BTreeSet<Key>) -> Selection {
        let mut selection = Selection {
            files: Arc::default(),
            bundles: Vec::new(),
            tested: Vec::new(),
            chosen,
        };
        for key in &self.expected {
            let offered = self
                .offered
                .get(key)
                .filter(|_| selection.chosen.contains(key));
            match offered.or_else(|| self.current.get(key)) {
                Some(Part::Files(files)) => selection.files = Arc::clone(files),
                Some(Part::Bundle(candidate)) => {
                    selection.bundles.push(Arc::clone(&candidate.bundle));
                    if candidate.run_tests {
                        selection.tested.push(candidate.bundle.name().into());
                    }
                }
                None => {}
            }
        }
        selection
    }

    /// Makes `selection` the current parts, and tells which bundles are new.
    pub(super) fn activate(&mut self, selection: &Selection) -> Vec<Candidate> {
        self.current.retain(|key, _| self.expected.contains(key));
        let mut new = Vec::new();
        for key in &selection.chosen {
            if let Some(part) = self.offered.remove(key) {
                if let Part::Bundle(candidate) = &part {
                    new.push(candidate.clone());
                }
                self.current.insert(key.clone(), part);
            }
        }
        new
    }
}

/// The most that is compiled for one offer.
const MAX_SELECTIONS: usize = 8;
