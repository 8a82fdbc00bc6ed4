//! `keys` and `signing`: with whose signature a bundle is genuine.
//!
//! As soon as there is one key, every bundle must be signed, whether it has a section `signing` or not.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    problem::Complaint,
    section::Section,
    value::{shown, text},
};
use crate::{
    chain::Chain,
    policy::bundle::{InvalidKey, InvalidVerifier, Key, Verification, Verifier},
};

/// The section `keys`.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Those that can be used, by their ids.
    usable: BTreeMap<String, Key>,
    /// Whether there are others, which are reported.
    wrong: bool,
}

impl Keys {
    pub(super) fn read(root: &mut Section<'_>) -> Self {
        let mut keys = Self::default();
        let entries = root.entries("keys", |id, entry| (id.to_owned(), key(entry)));
        for (id, key) in entries {
            match key {
                Entry::Usable(key) => drop(keys.usable.insert(id, key)),
                Entry::PrivateOnly => {}
                Entry::Wrong => keys.wrong = true,
            }
        }
        keys
    }

    /// Whether there are none.
    pub(super) fn are_empty(&self) -> bool {
        self.usable.is_empty() && !self.wrong
    }

    /// What makes a bundle genuine whose section `source` is.
    pub(super) fn verification(&self, source: &mut Section<'_>) -> Arc<Verification> {
        let signing = source.optional_section("signing", Signing::read);
        if self.are_empty() {
            if signing.is_some() {
                let complaint = Complaint::new("there are no `keys` to verify it with");
                source.problem("signing", complaint);
            }
            return Arc::default();
        }
        // What is wrong with a key is reported there, once.
        if self.wrong {
            return Arc::default();
        }
        let Signing {
            keyid,
            scope,
            exclude_files,
        } = signing.unwrap_or_default();
        match Verifier::new(self.usable.clone(), keyid, scope, &exclude_files) {
            Ok(verifier) => Arc::new(Verification::Signed(verifier)),
            Err(error) => {
                source.problem("signing", refused(&error));
                Arc::default()
            }
        }
    }
}

#[derive(Debug, Default)]
struct Signing {
    keyid: Option<String>,
    scope: Option<String>,
    exclude_files: Vec<String>,
}

impl Signing {
    fn read(section: &mut Section<'_>) -> Self {
        let owned = |value| text(value).map(str::to_owned);
        Self {
            keyid: section.value("keyid", owned),
            scope: section.value("scope", owned),
            exclude_files: section.list("exclude_files", owned).unwrap_or_default(),
        }
    }
}

fn refused(error: &InvalidVerifier) -> Complaint {
    match error {
        InvalidVerifier::UnknownKey(id) => {
            Complaint::new(format!("`keys` has no `{}`", shown(id))).hint("name one of `keys`")
        }
        InvalidVerifier::NoKeys | InvalidVerifier::Pattern { .. } => {
            Complaint::new(Chain(error).to_string())
        }
    }
}

/// One entry of `keys`.
#[derive(Debug)]
enum Entry {
    /// It verifies bundles.
    Usable(Key),
    /// It has a `private_key` alone, which verifies nothing.
    PrivateOnly,
    /// What is wrong with it is reported.
    Wrong,
}

fn key(section: &mut Section<'_>) -> Entry {
    // For those who sign with the same file; nothing is signed here.
    let private = section.value("private_key", text);
    let algorithm = section.value("algorithm", text);
    let scope = section.value("scope", text);
    if private.is_some() && section.raw("key").is_none() {
        section.warn("private_key", "signs nothing here, and verifies no bundle");
        return Entry::PrivateOnly;
    }
    let Some(given) = section.required("key", text) else {
        return Entry::Wrong;
    };
    match Key::from_config(given, algorithm, scope) {
        Ok(key) => Entry::Usable(key),
        Err(error @ InvalidKey::Algorithm(_)) => {
            section.problem("algorithm", Complaint::new(error.to_string()));
            Entry::Wrong
        }
        // Their texts name forms, never the key.
        Err(error @ (InvalidKey::Empty | InvalidKey::Unusable(_))) => {
            let complaint = Complaint::new(Chain(&error).to_string())
                .hint("give the key itself: PEM, or the secret of an HS algorithm; `--set-file keys.ID.key=FILE` reads one");
            section.problem("key", complaint);
            Entry::Wrong
        }
    }
}
