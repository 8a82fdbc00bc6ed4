//! A token whose signature and claims were verified.

use std::{fmt, sync::Arc};

/// What is known of a verified token. Only verification makes one.
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

/// Shows no claims: they are personal data.
impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("provider", &self.provider)
            .field("issuer", &self.issuer)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A verified token with what a later stage makes of it.
pub struct Verified<D> {
    /// The token.
    pub token: VerifiedToken,
    /// Made of it once.
    pub document: D,
}

/// Shows as much as the token does.
impl<D> fmt::Debug for Verified<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// What a later stage makes of a verified token; made once a token and remembered with it.
pub trait Document: Sized + Send + Sync + 'static {
    /// Makes it; `None` when the claims cannot be shown, which makes the token malformed.
    fn of(token: &VerifiedToken) -> Option<Self>;

    /// About how many bytes it takes.
    fn size(&self) -> usize;
}
