//! Signatures of bundles: a JWT over the hashes of the files, as `opa sign` writes it.
//!
//! Promises: the algorithm is the configured key's, never the token's; every file of a signed bundle
//! is listed with its hash or excluded by the configuration, and every listed file is there. A
//! signature says nothing about when: `iat` and `exp` are not looked at, `iss` neither.

mod canonical;
mod hash;
mod key;
mod refused;
mod sign;
mod token;
mod verifier;

use std::collections::BTreeMap;

use globset::GlobSet;

pub use hash::HashAlgorithm;
pub use key::{InvalidKey, Key, PrivateKey};
pub use sign::{Claims, Signer, SigningError};
pub use verifier::{InvalidVerifier, Verifier};

use crate::policy::diagnostic::Diagnostic;
use refused::shown;
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

/// The files that a valid signature speaks for.
#[derive(Debug)]
pub struct Attested {
    bundle: String,
    key_id: String,
    /// Those that were not met yet.
    listed: BTreeMap<String, Listed>,
    excluded: GlobSet,
}

/// The key that a `.signatures.json` names: what it says of itself, which proves nothing.
pub fn claimed_key(signatures: &[u8]) -> Option<String> {
    let token = Token::of_file(signatures).ok()?;
    let token = Token::parse(&token).ok()?;
    token.key_id().ok()?.map(|id| shown(id))
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

/// The name of the file in a bundle.
pub const SIGNATURES: &str = ".signatures.json";

#[cfg(test)]
mod tests;
