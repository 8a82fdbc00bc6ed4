//! Stage 3: who calls. Today the peer's SPIFFE ID from `attributes.source.principal`.

pub mod jose;
pub mod jwt;
pub mod spiffe;
mod xfcc;

use spiffe::SpiffeId;

pub use xfcc::Xfcc;

/// The caller as far as it is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The workload on the other end of the mTLS connection; `None` for plaintext callers and for
    /// principals that are not SPIFFE IDs (DNS SANs, subjects).
    pub peer: Option<SpiffeId<'a>>,
}

impl<'a> Identity<'a> {
    /// Reads the identity out of the principal that Envoy took from the peer certificate.
    pub fn from_principal(principal: &'a str) -> Self {
        Self {
            peer: SpiffeId::parse(principal).ok(),
        }
    }
}
