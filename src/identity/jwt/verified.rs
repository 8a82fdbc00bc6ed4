//! A token whose signature and claims were verified.

use std::sync::Arc;

/// What is known of a verified token. Only verification makes one.
#[derive(Debug)]
#[non_exhaustive]
pub struct VerifiedToken {
    /// The provider's name.
    pub provider: Arc<str>,
    /// `iss`.
    pub issuer: Arc<str>,
    /// `sub`.
    pub subject: Option<Box<str>>,
    /// `aud`, always as a list.
    pub audiences: Vec<String>,
    /// `exp` in seconds since the Unix epoch; `None` when there is none and none is asked for.
    pub expires_at: Option<u64>,
    /// The JOSE header as its JSON text: one object, no name twice.
    pub header: Vec<u8>,
    /// The claims as their JSON text: one object, no name twice.
    pub claims: Vec<u8>,
    /// Claims that hold words joined by spaces and are to become lists.
    pub space_delimited: Arc<[String]>,
}

/// A verified token with what a later stage makes of it.
#[derive(Debug)]
pub struct Verified<D> {
    /// The token.
    pub token: VerifiedToken,
    /// Made of it once.
    pub document: D,
}

/// What a later stage makes of a verified token; made once a token and remembered with it.
pub trait Document: Sized + Send + Sync + 'static {
    /// Makes it; `None` when the claims cannot be shown, which makes the token malformed.
    fn of(token: &VerifiedToken) -> Option<Self>;

    /// About how many bytes it takes.
    fn size(&self) -> usize;
}
