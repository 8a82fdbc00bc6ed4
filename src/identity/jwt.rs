//! The caller's token: found, verified against the keys of a configured provider, remembered.
//!
//! Promises: claims leave this module only inside a [`VerifiedToken`], which verification alone makes;
//! an unverified issuer selects a candidate provider and nothing else; whatever is wrong has one
//! closed [`JwtError`]. Nothing here waits: keys come from the side as a [`KeyRing`].

mod cache;
mod candidate;
mod claims;
mod error;
mod find;
mod key_set;
mod options;
mod presented;
mod provider;
mod refresh;
mod ring;
mod verified;
mod verifier;

pub use error::JwtError;
pub use key_set::{InvalidKeySet, KeySet, SkippedKey};
pub use options::{CacheOptions, Options, SeveralTokens};
pub use presented::{AwaitedKey, Presented};
pub use provider::{Location, OnFailure, Provider};
pub use refresh::{Nudge, Refresh};
pub use ring::{KeyRing, KeyRings, ProviderKeys};
pub use verified::{Document, Verified, VerifiedToken};
pub use verifier::Verifier;

#[cfg(test)]
mod tests;
