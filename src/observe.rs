//! The live view of decisions: who was let through or refused just now, and why.
//!
//! [`Ring`] is told of checks on the recorder's thread and keeps the newest; [`Observers`] lets callers
//! of our own gRPC service look at what it keeps, and follow. Promises that what is kept is bounded in
//! number and in bytes, that no watcher holds up the recorder, that a watcher who is too slow is told
//! how much it missed, and that nothing kept holds a query, a body, a header or a token.

mod decision;
mod filter;
mod glob;
pub mod proto;
mod reader;
mod ring;
mod service;

use std::borrow::Cow;

pub use decision::Decision;
pub use filter::{Filter, InvalidFilter};
pub use ring::{Keep, Options, Ring};
pub use service::Observers;

use crate::identity::spiffe::SpiffeId;

/// Where decisions are shown unless configured otherwise, and where the command line looks for them.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9292";

/// A caller as people name it: `namespace/account` for a workload of a mesh, with the trust domain
/// before it unless that is `cluster.local`; any other principal as it is.
pub fn short(caller: &str) -> Cow<'_, str> {
    let Ok(id) = SpiffeId::parse(caller) else {
        return Cow::Borrowed(caller);
    };
    match (id.trust_domain(), id.workload()) {
        (_, None) => Cow::Borrowed(caller),
        (USUAL_DOMAIN, Some((namespace, account))) => Cow::Owned(format!("{namespace}/{account}")),
        (domain, Some((namespace, account))) => {
            Cow::Owned(format!("{domain}/{namespace}/{account}"))
        }
    }
}

/// The trust domain of a mesh that has not been given one.
const USUAL_DOMAIN: &str = "cluster.local";

#[cfg(test)]
mod tests;
