//! `portcullis.jwt`: whose tokens are trusted, and where their keys come from.
//!
//! Promises that names and issuers are unique, that each provider has exactly the keys that its
//! algorithms need, and that every provider has its source of keys at the same place.

mod algorithm;
mod istio;
mod keys;
mod location;
mod provider;
mod refresh;

use std::{collections::HashSet, ops::RangeInclusive, path::PathBuf, time::Duration};

use crate::{
    identity::jwt::{CacheOptions, Options, Provider, SeveralTokens},
    sources::jwks::{Kind, Source},
};

use super::{
    problem::Complaint,
    section::Section,
    value::{choice, duration, integer, path, shown},
};

/// `jwt`: tokens of callers. Without providers none is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwt {
    /// `providers` and those of `request_authentication`, `several_tokens`, `cache`.
    pub verifier: Options,
    /// Where the keys of each provider come from, in the same order.
    pub sources: Vec<Source>,
}

impl Jwt {
    pub(super) fn read(section: &mut Section<'_>, budget: Duration) -> Self {
        let mut taken = Taken::default();
        let mut entries: Vec<Entry> = section.sections("providers", |provider| {
            provider::read(provider, budget, &mut taken)
        });
        let files: Vec<PathBuf> = section
            .list("request_authentication", path)
            .unwrap_or_default();
        for (index, file) in files.iter().enumerate() {
            match istio::read(section.report(), file, &mut taken) {
                Ok(imported) => entries.extend(imported),
                Err(complaint) => {
                    section.problem_at("request_authentication", index, complaint);
                }
            }
        }
        if entries.len() > MOST_PROVIDERS {
            let message = format!("{} providers; {MOST_PROVIDERS} are the most", entries.len());
            section.problem("providers", Complaint::new(message));
        }
        let (providers, sources) = entries.into_iter().unzip();
        Self {
            verifier: Options {
                providers,
                several_tokens: section
                    .value("several_tokens", choice(SEVERAL_TOKENS))
                    .unwrap_or_default(),
                cache: section.section("cache", read_cache),
            },
            sources,
        }
    }

    /// Whether keys are fetched over the network.
    pub(super) fn fetches(&self) -> bool {
        self.sources.iter().any(|source| match source.kind {
            Kind::Uri(_) | Kind::Discovery { .. } => true,
            Kind::File(_) | Kind::Inline(_) | Kind::Secret => false,
        })
    }
}

/// A provider with the source of its keys.
type Entry = (Provider, Source);

/// What one provider alone may have.
#[derive(Debug, Default)]
struct Taken {
    names: HashSet<String>,
    issuers: HashSet<String>,
}

impl Taken {
    fn name(&mut self, section: &Section<'_>, key: &str, name: &str) {
        if !self.names.insert(name.to_owned()) {
            let message = format!("`{}` is another provider's name", shown(name));
            section.problem(key, Complaint::new(message));
        }
    }

    fn issuer(&mut self, section: &Section<'_>, key: &str, issuer: &str) {
        if !self.issuers.insert(issuer.to_owned()) {
            let message = format!("`{}` is another provider's issuer", shown(issuer));
            let hint = "the issuer selects the provider: put both into one";
            section.problem(key, Complaint::new(message).hint(hint));
        }
    }
}

fn read_cache(section: &mut Section<'_>) -> CacheOptions {
    let default = CacheOptions::default();
    CacheOptions {
        max_entries: section
            .value("max_entries", integer(0..=MOST_REMEMBERED))
            .unwrap_or(default.max_entries),
        max_bytes: section
            .value("max_bytes", integer(CACHE_BYTES))
            .unwrap_or(default.max_bytes),
        max_ttl: section
            .value("max_ttl", duration(MAX_TTL))
            .unwrap_or(default.max_ttl),
        max_failures: section
            .value("max_failures", integer(0..=MOST_REMEMBERED))
            .unwrap_or(default.max_failures),
        failure_ttl: section
            .value("failure_ttl", duration(FAILURE_TTL))
            .unwrap_or(default.failure_ttl),
    }
}

const SEVERAL_TOKENS: &[(&str, SeveralTokens)] = &[
    ("refuse", SeveralTokens::Refuse),
    ("first", SeveralTokens::First),
];
/// Most providers: each token is looked for at every place of each.
const MOST_PROVIDERS: usize = 64;
const MOST_REMEMBERED: u64 = 10_000_000;
const CACHE_BYTES: RangeInclusive<u64> = 64 * 1024..=64 * 1024 * 1024 * 1024;
const MAX_TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
/// A failure that is remembered for longer would outlive the rotation that mends it.
const FAILURE_TTL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(1);
