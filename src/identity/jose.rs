//! JOSE as far as it is needed: compact JWS (RFC 7515), algorithms (RFC 7518, RFC 8037) and keys
//! (RFC 7517), read strictly. Who may sign what is not decided here.
//!
//! Promises: no input panics; a key is used with the algorithms of its own type and no others; what a
//! token's header says about keys (`jku`, `x5u`, `jwk`, `x5c`) is never looked at.

mod algorithm;
mod compact;
mod json;
mod key;

pub use algorithm::Algorithm;
pub use compact::{InvalidJws, Jws};
pub use json::{InvalidJson, JsonObject, object};
pub use key::{SigningKey, UnusableKey, VerifyingKey};

#[cfg(test)]
pub(crate) use key::made;
