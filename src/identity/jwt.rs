//! The caller's token: found, verified against the keys of a configured provider, remembered.
//!
//! Promises: claims leave this module only inside a [`VerifiedToken`], which verification alone makes;
//! an unverified issuer selects a candidate provider and nothing else; whatever is wrong has one
//! closed [`JwtError`]. Nothing here waits: keys come from the side as a [`KeyRing`].

mod error;
mod key_set;
mod provider;
mod refresh;
mod ring;
mod verified;
mod verifier;

pub use error::JwtError;
pub use key_set::{InvalidKeySet, KeySet, SkippedKey};
pub use provider::{Location, OnFailure, Provider};
pub use refresh::{Nudge, Refresh};
pub use ring::{KeyRing, KeyRings, ProviderKeys};
pub use verified::{Document, Verified, VerifiedToken};
pub use verifier::{AwaitedKey, CacheOptions, Options, Presented, SeveralTokens, Verifier};
