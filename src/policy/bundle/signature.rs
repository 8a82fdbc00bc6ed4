//! Signatures of bundles: a JWT over the hashes of the files, as `opa sign` writes it.
//!
//! Promises: the algorithm is the configured key's, never the token's; every file of a signed bundle
//! is listed with its hash or excluded by the configuration, and every listed file is there. A
//! signature says nothing about when: `iat` and `exp` are not looked at, `iss` neither.

mod canonical;
mod hash;
mod key;
mod sign;
mod token;

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

pub use hash::HashAlgorithm;
pub use key::{InvalidKey, Key, PrivateKey};
pub use sign::{Claims, Signer, SigningError};

use crate::policy::diagnostic::Diagnostic;
use token::{Listed, Token};

/// What makes a bundle genuine.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// Nothing is verified; a bundle that is signed is refused, because nobody could tell by whom.
    #[default]
    None,
    /// Nothing is verified and signatures are passed over (`--skip-verify`).
    Skip,
    /// It must be signed.
    Signed(Verifier),
}

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

/// The files that a valid signature speaks for.
#[derive(Debug)]
pub struct Attested {
    bundle: String,
    key_id: String,
    /// Those that were not met yet.
    listed: BTreeMap<String, Listed>,
    excluded: GlobSet,
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

    fn open(&self, bundle: &str, text: &[u8]) -> Result<Attested, Refused> {
        let token = Token::of_file(text)?;
        let token = Token::parse(&token)?;
        let key_id = match (&self.key_id, token.key_id()?) {
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => return Err(Refused::NoKeyId),
        };
        let key = self.keys.get(key_id);
        let key = key.ok_or_else(|| Refused::UnknownKey(shown(key_id)))?;
        token.verify(key_id, key)?;
        let key_id = key_id.clone();
        let payload = token.payload;
        let expected = self.scope.as_deref().or(key.scope()).unwrap_or("");
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

/// The key that a `.signatures.json` names: what it says of itself, which proves nothing.
pub fn claimed_key(signatures: &[u8]) -> Option<String> {
    let token = Token::of_file(signatures).ok()?;
    let token = Token::parse(&token).ok()?;
    token.key_id().ok()?.map(|id| shown(id))
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

impl Verification {
    /// Verifies the text of `.signatures.json`; `None`: the files are not checked.
    pub(in crate::policy) fn open(
        &self,
        bundle: &str,
        signatures: Option<&[u8]>,
    ) -> Result<Option<Attested>, Diagnostic> {
        match (self, signatures) {
            (Self::Skip, _) | (Self::None, None) => Ok(None),
            (Self::None, Some(_)) => Err(Diagnostic::of_file(
                bundle,
                "the bundle is signed, and no key to verify it with is configured",
            )
            .hinting("configure `keys` (`--verification-key`), or pass over signatures with `--skip-verify`")),
            (Self::Signed(_), None) => Err(Diagnostic::of_file(
                bundle,
                format!("the bundle is not signed: it has no `{SIGNATURES}`"),
            )
            .hinting("sign it with `portcullis sign` or `opa sign`")),
            (Self::Signed(verifier), Some(text)) => verifier
                .open(bundle, text)
                .map(Some)
                .map_err(|refused| refused.of_bundle(bundle)),
        }
    }
}

impl Attested {
    /// The id of the key that signed.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Compares one file, named by its path below the bundle's root, with its hash.
    pub(in crate::policy) fn check(&mut self, path: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        let listed = self.listed.remove(path);
        if self.excluded.is_match(path) {
            return Ok(());
        }
        let file = || format!("{}/{path}", self.bundle);
        let Some(listed) = listed else {
            return Err(Diagnostic::of_file(
                &file(),
                "the file is not among those that the bundle's signature lists",
            ));
        };
        let found = hash::of_file(listed.algorithm, path, bytes)
            .map_err(|error| Diagnostic::of_file(&file(), error.to_string()))?;
        if found == listed.hash {
            Ok(())
        } else {
            Err(Diagnostic::of_file(
                &file(),
                format!(
                    "the file is not the one that was signed: its {} is not the signature's",
                    listed.algorithm.as_str()
                ),
            ))
        }
    }

    /// To be called after the last file: none may be missing.
    pub(in crate::policy) fn finish(self) -> Result<(), Diagnostic> {
        let missing: Vec<&str> = self
            .listed
            .keys()
            .filter(|path| !self.excluded.is_match(path))
            .map(String::as_str)
            .collect();
        let Some(first) = missing.first() else {
            return Ok(());
        };
        let others = missing.len().saturating_sub(1);
        let more = if others == 0 {
            String::new()
        } else {
            format!(" and {others} more")
        };
        Err(Diagnostic::of_file(
            &self.bundle,
            format!(
                "`{}`{more}: listed in the bundle's signature, and not in the bundle",
                shown(first)
            ),
        ))
    }
}

/// Why a signature is not taken. Texts of the token are shown escaped and cut.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("`.signatures.json` is not readable")]
    File(#[source] serde_json::Error),
    #[error("`.signatures.json` has {0} bytes; {most} is the most", most = token::MAX_BYTES)]
    TooLong(usize),
    #[error("`.signatures.json` has {0} signatures; exactly one is supported")]
    Count(usize),
    #[error("the signature is for a verifier `{0}`, which is not supported")]
    Plugin(String),
    #[error("the signature is not a JWT")]
    Jws(#[from] crate::identity::jose::InvalidJws),
    #[error("the signature's payload is not readable")]
    Payload(#[source] serde_json::Error),
    #[error("the header's `{0}` is not a string")]
    Header(&'static str),
    #[error("the header has `{0}`, which is not supported")]
    Unsupported(&'static str),
    #[error("the signature names no key: `kid` is missing, and `keyid` is not configured")]
    NoKeyId,
    #[error("key id `{0}` is not among the configured keys")]
    UnknownKey(String),
    #[error("the signature is made with `{found}`; the key `{key}` is for `{expected}`")]
    Algorithm {
        key: String,
        expected: &'static str,
        found: String,
    },
    #[error("the signature is not that of the key `{0}`")]
    Signature(String),
    #[error("the signature is for the scope `{found}`; the scope is `{expected}`")]
    Scope { expected: String, found: String },
    #[error("the signature lists `{0}` twice")]
    Twice(String),
    #[error("the hash algorithm `{algorithm}` of `{name}` is unknown")]
    HashAlgorithm { name: String, algorithm: String },
    #[error("the hash of `{0}` is not one of its algorithm in hexadecimal digits")]
    Hash(String),
}

impl Refused {
    fn of_bundle(&self, bundle: &str) -> Diagnostic {
        let hint = match self {
            Self::UnknownKey(_) | Self::NoKeyId => {
                Some("`signing.keyid` of the bundle (`--verification-key-id`) says which key it is")
            }
            _ => None,
        };
        let problem = Diagnostic::of_file(bundle, crate::chain::Chain(self).to_string());
        match hint {
            Some(hint) => problem.hinting(hint),
            None => problem,
        }
    }
}

/// What a problem may show of a text that nobody vouches for.
fn shown(text: &str) -> String {
    text.chars()
        .take(MAX_SHOWN)
        .flat_map(char::escape_debug)
        .collect()
}

/// The name of the file in a bundle.
pub const SIGNATURES: &str = ".signatures.json";

const MAX_SHOWN: usize = 128;

#[cfg(test)]
mod tests;
