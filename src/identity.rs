//! Stage 3: who calls. The peer's SPIFFE ID from `attributes.source.principal`, and (in [`jwt`]) the
//! claims of the caller's token.

pub mod jose;
pub mod jwt;
pub mod spiffe;
mod xfcc;

use spiffe::SpiffeId;
pub use xfcc::Xfcc;

use crate::request::RequestView;

/// The caller as far as mTLS has proven it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The principal of the peer certificate; empty for plaintext callers.
    pub principal: &'a str,
    /// The workload on the other end of the mTLS connection; `None` for plaintext callers and for
    /// principals that are not SPIFFE IDs (DNS SANs, subjects).
    pub peer: Option<SpiffeId<'a>>,
}

impl<'a> Identity<'a> {
    /// The identity of the peer that sent this request.
    pub fn of(request: &'a RequestView<'_>, xfcc: Xfcc) -> Self {
        let principal = request.source_principal();
        match xfcc {
            Xfcc::Trusted if principal.is_empty() => {
                let header = request.http().and_then(|http| http.header(Xfcc::HEADER));
                let forwarded = Self::from_principal(header.and_then(xfcc::last_uri).unwrap_or(""));
                // A URI that is no SPIFFE ID names no workload of the mesh.
                if forwarded.peer.is_some() {
                    forwarded
                } else {
                    Self::default()
                }
            }
            Xfcc::Trusted | Xfcc::Ignored => Self::from_principal(principal),
        }
    }

    /// Reads the identity out of the principal that Envoy took from the peer certificate.
    pub fn from_principal(principal: &'a str) -> Self {
        Self {
            principal,
            peer: SpiffeId::parse(principal).ok(),
        }
    }
}
