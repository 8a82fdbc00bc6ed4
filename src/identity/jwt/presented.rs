//! What the verifier hands to a check.

use std::{sync::Arc, time::Duration};

use super::{JwtError, Location, Nudge, Provider, Refresh, Verified};

/// What came of the token of one request.
#[derive(Debug)]
pub struct Presented<'v, D> {
    /// The verified token, or why there is none.
    pub token: Result<Arc<Verified<D>>, JwtError>,
    /// The candidate provider, once there is one.
    pub provider: Option<&'v Provider>,
    /// Whether configuration wants a request without a verified token denied.
    pub denied: bool,
    /// Where tokens were found that must not go upstream.
    pub strip: Vec<&'v Location>,
    /// Whether the result was remembered rather than computed.
    pub cached: bool,
    /// What became of the nudge for an unknown key.
    pub nudge: Option<Nudge>,
}

/// A key that is being fetched and that a check may wait for.
#[derive(Debug)]
pub struct AwaitedKey {
    /// How long at most.
    pub within: Duration,
    pub(super) refresh: Refresh,
    pub(super) round: u64,
}

impl AwaitedKey {
    /// Waits until the fetch is over, at most as long as the provider wants, and never longer than
    /// `at_most`.
    pub async fn arrives(self, at_most: Duration) {
        let within = at_most.min(self.within);
        drop(tokio::time::timeout(within, self.refresh.after(self.round)).await);
    }
}
