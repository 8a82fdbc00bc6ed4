//! What a policy is made of, what was offered for it, and what to try together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Candidate;
use crate::{
    digest::{self, Digest},
    policy::{PolicyFile, bundle::Bundle},
};

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
    Files(Arc<[PolicyFile]>, Digest),
    Bundle(Candidate),
}

impl Part {
    pub(super) fn of_files(files: Vec<PolicyFile>) -> Self {
        let mut texts: Vec<&[u8]> = Vec::new();
        for file in &files {
            texts.extend([file.name.as_bytes(), &file.bytes]);
            texts.extend(file.data_path.iter().map(String::as_bytes));
            // No name is empty: here the next file begins.
            texts.push(&[]);
        }
        let digest = digest::of_parts(texts);
        Self::Files(files.into(), digest)
    }
}

/// The parts of the active policy, and those that are not part of it yet.
#[derive(Debug, Default)]
pub(super) struct Parts {
    expected: BTreeSet<Key>,
    current: BTreeMap<Key, Part>,
    offered: BTreeMap<Key, Part>,
    /// What the active policy consists of; `None`: there is none.
    active: Option<Content>,
    /// Which source of each bundle is the one of now.
    generations: BTreeMap<Arc<str>, u64>,
    last_generation: u64,
}

/// Parts to be tried together.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    pub(super) files: Arc<[PolicyFile]>,
    pub(super) bundles: Vec<Arc<Bundle>>,
    /// The bundles whose tests must hold.
    pub(super) tested: Vec<Arc<str>>,
    /// What exactly it consists of.
    pub(super) content: Content,
    /// Those of them that were offered.
    chosen: BTreeSet<Key>,
    /// Whether everything that must be there is among them.
    complete: bool,
}

/// The digest of each part, and whether its tests must hold.
pub(super) type Content = BTreeMap<Key, (Digest, bool)>;

impl Parts {
    /// Says which bundles must be there; whether that is another set than before. Others that were
    /// offered are forgotten.
    pub(super) fn expect_bundles(&mut self, names: BTreeSet<Arc<str>>) -> bool {
        let mut expected: BTreeSet<Key> = names.into_iter().map(Key::Bundle).collect();
        if self.expected.contains(&Key::Files) {
            expected.insert(Key::Files);
        }
        self.offered.retain(|key, _| expected.contains(key));
        self.generations
            .retain(|name, _| expected.contains(&Key::Bundle(Arc::clone(name))));
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

    /// Another source of the bundle `name` begins: its number, and what came from the one before
    /// without becoming active.
    pub(super) fn renew(&mut self, name: &Arc<str>) -> (u64, Option<Part>) {
        self.last_generation = self.last_generation.saturating_add(1);
        self.generations
            .insert(Arc::clone(name), self.last_generation);
        let withdrawn = self.offered.remove(&Key::Bundle(Arc::clone(name)));
        (self.last_generation, withdrawn)
    }

    /// The number of the source of `name`; 0 before there is any.
    pub(super) fn generation(&self, name: &str) -> u64 {
        self.generations.get(name).copied().unwrap_or_default()
    }

    /// Forgets what was offered.
    pub(super) fn withdraw(&mut self, key: &Key) {
        self.offered.remove(key);
    }

    /// The bundle of this name in the active policy.
    pub(super) fn current_bundle(&self, name: &str) -> Option<&Candidate> {
        self.current.values().find_map(|part| match part {
            Part::Bundle(candidate) if candidate.bundle.name() == name => Some(candidate),
            Part::Bundle(_) | Part::Files(..) => None,
        })
    }

    /// What nobody has offered yet.
    pub(super) fn missing(&self) -> Vec<Arc<str>> {
        let there = |key: &&Key| !self.current.contains_key(key) && !self.offered.contains_key(key);
        let missing = self.expected.iter().filter(there);
        missing.map(Key::shown).collect()
    }

    /// Whether nothing may be tried before something else is there. Once there is an active policy,
    /// what is new does not hold up what is not.
    pub(super) fn must_wait(&self) -> bool {
        self.active.is_none() && !self.missing().is_empty()
    }

    /// For each bundle, what it waits for.
    pub(super) fn waiting(&self) -> Vec<(Arc<str>, Option<Arc<str>>)> {
        let missing = self.missing();
        let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
        let text: Option<Arc<str>> =
            (!missing.is_empty()).then(|| format!("waiting for {}", names.join(", ")).into());
        let of = |key: &Key| {
            let text = text.clone().filter(|_| self.offered.contains_key(key));
            key.bundle().map(|name| (Arc::clone(name), text))
        };
        self.expected.iter().filter_map(of).collect()
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

    /// What to try for the sake of `of`, in this order: `of` alone with what is current; everything
    /// together; `of` with one other; everything but one other. Before there is an active policy
    /// everything is part of each.
    pub(super) fn selections(&self, of: Option<&Key>) -> Vec<Selection> {
        let all: BTreeSet<Key> = self.offered.keys().cloned().collect();
        let needed: BTreeSet<Key> = all
            .iter()
            .filter(|key| Some(*key) == of || self.active.is_none())
            .cloned()
            .collect();
        let others: Vec<&Key> = all.difference(&needed).collect();
        let with = |other: &&Key| needed.iter().chain([*other]).cloned().collect();
        let without = |other: &&Key| all.iter().filter(|key| key != other).cloned().collect();
        let mut tried: Vec<BTreeSet<Key>> = Vec::new();
        let choices = [needed.clone(), all.clone()].into_iter();
        let choices = choices
            .chain(others.iter().map(with))
            .chain(others.iter().map(without));
        for choice in choices {
            if !tried.contains(&choice) {
                tried.push(choice);
            }
        }
        tried
            .into_iter()
            .map(|chosen| self.select(chosen))
            .collect()
    }

    /// What is current with these of what was offered. What is not wanted any more stays until
    /// everything is there that is wanted: it may be in the place of what is missing.
    fn select(&self, chosen: BTreeSet<Key>) -> Selection {
        let there = |key| chosen.contains(key) || self.current.contains_key(key);
        let complete = self.expected.iter().all(there);
        let stays = |key| !chosen.contains(key) && (!complete || self.expected.contains(key));
        let kept = self.current.iter().filter(|(key, _)| stays(key));
        let new = self.offered.iter().filter(|(key, _)| chosen.contains(key));
        let all: BTreeMap<&Key, &Part> = kept.chain(new).collect();
        let mut selection = Selection {
            files: Arc::default(),
            bundles: Vec::new(),
            tested: Vec::new(),
            content: Content::new(),
            complete,
            chosen: BTreeSet::new(),
        };
        for (key, part) in all {
            let content = match part {
                Part::Files(files, digest) => {
                    selection.files = Arc::clone(files);
                    (*digest, false)
                }
                Part::Bundle(candidate) => {
                    selection.bundles.push(Arc::clone(&candidate.bundle));
                    if candidate.run_tests {
                        selection.tested.push(candidate.bundle.name().into());
                    }
                    (candidate.digest, candidate.run_tests)
                }
            };
            selection.content.insert(key.clone(), content);
        }
        selection.chosen = chosen;
        selection
    }

    /// Whether `selection` is what is active already.
    pub(super) fn is_active(&self, selection: &Selection) -> bool {
        self.active.as_ref() == Some(&selection.content)
    }

    /// Whether nothing of `selection` was withdrawn since it was made.
    pub(super) fn have(&self, selection: &Selection) -> bool {
        let mut chosen = selection.chosen.iter();
        chosen.all(|key| self.offered.contains_key(key))
    }

    /// Makes `selection` the current parts, and tells which bundles are new.
    pub(super) fn activate(&mut self, selection: &Selection) -> Vec<Candidate> {
        self.active = Some(selection.content.clone());
        if selection.complete {
            self.current.retain(|key, _| self.expected.contains(key));
        }
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
