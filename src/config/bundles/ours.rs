//! `portcullis.bundles`: what OPA has no key for, for every bundle and for single ones.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use super::super::{
    problem::Complaint,
    section::Section,
    value::{boolean, choice, duration, integer},
};
use crate::policy::bundle::{self, RevisionOrder};

/// `portcullis.bundles`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundles {
    /// For every bundle.
    pub all: Wishes,
    /// `named`: for single ones, by their names; what they say wins.
    pub named: BTreeMap<String, Wishes>,
}

/// What is wished of a bundle; `None`: what is wished of all, or the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `require_signature`: it must be signed; without `keys` that is an error. Default `false`.
    pub require_signature: Option<bool>,
    /// `on_activation.run_tests`: its `test_` rules must hold. Default `false`.
    pub run_tests: Option<bool>,
    /// `max_age`: how long ago its source may have been heard from. Default: for ever.
    pub max_age: Option<Duration>,
    /// `unready_when_old`: the gate is not ready once that is past. Default `false`.
    pub unready_when_old: Option<bool>,
    /// `monotonic`: revisions never go back in this order; only below `named`.
    pub monotonic: Option<RevisionOrder>,
    /// `limits`.
    pub limits: LimitWishes,
}

/// `limits`: how large a bundle may be, as [`bundle::Limits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitWishes {
    /// `archive_bytes`.
    pub archive_bytes: Option<u64>,
    /// `unpacked_bytes`.
    pub unpacked_bytes: Option<u64>,
    /// `file_bytes`.
    pub file_bytes: Option<u64>,
    /// `entries`.
    pub entries: Option<usize>,
    /// `module_bytes`.
    pub module_bytes: Option<u64>,
    /// `data_bytes`.
    pub data_bytes: Option<u64>,
}

/// What is wished of one bundle.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct OfOne {
    pub(super) all: Wishes,
    pub(super) named: Wishes,
}

impl Bundles {
    /// Whether every bundle must be signed, whatever the command line says.
    pub fn requires_signatures(&self) -> bool {
        self.all.require_signature == Some(true)
    }

    pub(in crate::config) fn read(section: &mut Section<'_>) -> Self {
        let all = Wishes::read(section);
        if all.unready_when_old == Some(true) && all.max_age.is_none() {
            section.problem("unready_when_old", without_max_age());
        }
        let named = section.entries("named", |name, section| {
            let mut wishes = Wishes::read(section);
            wishes.monotonic = section.value("monotonic", choice(ORDERS));
            if wishes.unready_when_old == Some(true) && wishes.max_age.or(all.max_age).is_none() {
                section.problem("unready_when_old", without_max_age());
            }
            (name.to_owned(), wishes)
        });
        Self {
            all,
            named: named.into_iter().collect(),
        }
    }

    /// What is wished of the bundle `name`.
    pub(in crate::config) fn of(&self, name: &str) -> OfOne {
        OfOne {
            all: self.all,
            named: self.named.get(name).copied().unwrap_or_default(),
        }
    }

    /// What is wished of a bundle that `named` cannot mean.
    pub(in crate::config) fn of_all(&self) -> OfOne {
        OfOne {
            all: self.all,
            named: Wishes::default(),
        }
    }
}

impl Wishes {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            require_signature: section.value("require_signature", boolean),
            run_tests: section.section("on_activation", |section| {
                section.value("run_tests", boolean)
            }),
            max_age: section.value("max_age", duration(MAX_AGE)),
            unready_when_old: section.value("unready_when_old", boolean),
            monotonic: None,
            limits: section.section("limits", |section| LimitWishes {
                archive_bytes: section.value("archive_bytes", integer(BYTES)),
                unpacked_bytes: section.value("unpacked_bytes", integer(BYTES)),
                file_bytes: section.value("file_bytes", integer(BYTES)),
                entries: section.value("entries", integer(ENTRIES)),
                module_bytes: section.value("module_bytes", integer(BYTES)),
                data_bytes: section.value("data_bytes", integer(BYTES)),
            }),
        }
    }
}

impl OfOne {
    pub(in crate::config) fn limits(&self) -> bundle::Limits {
        let (all, named) = (&self.all.limits, &self.named.limits);
        let default = bundle::Limits::default();
        let bytes = |of: fn(&LimitWishes) -> Option<u64>| of(named).or_else(|| of(all));
        bundle::Limits {
            archive_bytes: bytes(|limits| limits.archive_bytes).unwrap_or(default.archive_bytes),
            unpacked_bytes: bytes(|limits| limits.unpacked_bytes).unwrap_or(default.unpacked_bytes),
            file_bytes: bytes(|limits| limits.file_bytes).unwrap_or(default.file_bytes),
            entries: named.entries.or(all.entries).unwrap_or(default.entries),
            module_bytes: bytes(|limits| limits.module_bytes).unwrap_or(default.module_bytes),
            data_bytes: bytes(|limits| limits.data_bytes).unwrap_or(default.data_bytes),
        }
    }

    pub(super) fn run_tests(&self) -> bool {
        let run_tests = self.named.run_tests.or(self.all.run_tests);
        run_tests.unwrap_or(false)
    }

    pub(super) fn max_age(&self) -> Option<Duration> {
        self.named.max_age.or(self.all.max_age)
    }

    pub(super) fn unready_when_old(&self) -> bool {
        let unready = self.named.unready_when_old.or(self.all.unready_when_old);
        unready.unwrap_or(false)
    }
}

fn without_max_age() -> Complaint {
    Complaint::new("is on without a `max_age`").hint("set `max_age` too")
}

const ORDERS: &[(&str, RevisionOrder)] = &[
    ("semver", RevisionOrder::Semver),
    ("number", RevisionOrder::Number),
    ("time", RevisionOrder::Time),
    ("text", RevisionOrder::Text),
];
const MAX_AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(8784);
pub(super) const MOST_BYTES: u64 = 1 << 40;
const BYTES: RangeInclusive<u64> = 1024..=MOST_BYTES;
const ENTRIES: RangeInclusive<usize> = 1..=10_000_000;
