//! The keys of the configuration, and what a signature must be to count.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::refused::{Refused, shown};
use super::token::Token;
use super::{Attested, Key};

/// Verifies signatures with the keys of the configuration.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: BTreeMap<String, Key>,
    key_id: Option<String>,
    scope: Option<String>,
    excluded: GlobSet,
    /// What `excluded` is made of.
    patterns: Vec<String>,
}

/// Two verifiers are equal when they believe the same.
impl PartialEq for Verifier {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
            && self.key_id == other.key_id
            && self.scope == other.scope
            && self.patterns == other.patterns
    }
}

impl Eq for Verifier {}

/// Why signatures cannot be verified as configured.
#[derive(Debug, thiserror::Error)]
pub enum InvalidVerifier {
    /// `keys` is empty.
    #[error("no keys are configured to verify bundles with")]
    NoKeys,
    /// `signing.keyid` is not among `keys`.
    #[error("key id `{0}` is not among the configured keys")]
    UnknownKey(String),
    /// A pattern of `signing.exclude_files`.
    #[error("`{pattern}` is not a pattern for files to exclude")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
}

impl Verifier {
    /// A verifier with the keys of the section `keys` by their ids, and of a bundle's section
    /// `signing`: `keyid` (else the token names its key), `scope` (else the key's) and
    /// `exclude_files`, globs on paths below the bundle's root of which a star stays in a folder.
    pub fn new(
        keys: BTreeMap<String, Key>,
        key_id: Option<String>,
        scope: Option<String>,
        exclude_files: &[String],
    ) -> Result<Self, InvalidVerifier> {
        let key_id = key_id.filter(|id| !id.is_empty());
        if let Some(id) = key_id.as_ref().filter(|id| !keys.contains_key(*id)) {
            return Err(InvalidVerifier::UnknownKey(id.clone()));
        }
        if keys.is_empty() {
            return Err(InvalidVerifier::NoKeys);
        }
        Ok(Self {
            keys,
            key_id,
            scope: scope.filter(|scope| !scope.is_empty()),
            excluded: excluded(exclude_files)?,
            patterns: exclude_files.to_vec(),
        })
    }

    /// Verifies the text of `.signatures.json`.
    pub(super) fn open(&self, bundle: &str, text: &[u8]) -> Result<Attested, Refused> {
        let token = Token::of_file(text)?;
        let token = Token::parse(&token)?;
        let claimed = token.key_id()?;
        let key_id = self.key_id.as_ref().or(claimed);
        let key_id = key_id.ok_or(Refused::NoKeyId)?;
        let key = self.keys.get(key_id);
        let key = key.ok_or_else(|| Refused::UnknownKey(shown(key_id)))?;
        token.verify(key_id, key)?;
        let key_id = key_id.clone();
        let payload = token.payload;
        let expected = self.scope.as_deref().or_else(|| key.scope()).unwrap_or("");
        if payload.scope != expected {
            return Err(Refused::Scope {
                expected: expected.to_owned(),
                found: shown(&payload.scope),
            });
        }
        Ok(Attested {
            bundle: bundle.to_owned(),
            key_id,
            listed: payload.listed()?,
            excluded: self.excluded.clone(),
        })
    }
}

/// As Go's `filepath.Match` reads them: a star stays in its folder, braces mean themselves.
fn excluded(patterns: &[String]) -> Result<GlobSet, InvalidVerifier> {
    let mut globs = GlobSetBuilder::new();
    for pattern in patterns {
        let refused = |source| InvalidVerifier::Pattern {
            pattern: pattern.clone(),
            source,
        };
        let mut plain = pattern.replace('{', "\\{").replace('}', "\\}");
        while plain.contains("**") {
            plain = plain.replace("**", "*");
        }
        let glob = GlobBuilder::new(&plain)
            .literal_separator(true)
            .backslash_escape(true)
            .build();
        globs.add(glob.map_err(refused)?);
    }
    globs.build().map_err(|source| InvalidVerifier::Pattern {
        pattern: patterns.join(" "),
        source,
    })
}
