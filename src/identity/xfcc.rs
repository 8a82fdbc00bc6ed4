//! The header `x-forwarded-client-cert`, in which a proxy says whom it has in front of it.

/// What becomes of `x-forwarded-client-cert` when the connection itself names no caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Xfcc {
    /// It proves nothing: anybody can send it.
    #[default]
    Ignored,
    /// Its last element is the caller's identity, because the proxy in front overwrites it.
    Trusted,
}
