//! What makes a call of `io.jwt.*` a built-in error. A token that is merely not good is none.

use crate::identity::jose::{InvalidJson, InvalidJws, UnusableKey};
use crate::input::InvalidJson as InvalidDocument;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::policy::builtins) enum JwtError {
    /// The evaluator checks it before.
    #[error("{0} arguments are not what the function takes")]
    Arguments(usize),
    #[error("the {0} is not a string")]
    NoString(&'static str),
    #[error("the {0} is not an object")]
    NoObject(&'static str),
    #[error("the {what} is longer than {limit} bytes")]
    TooLong { what: &'static str, limit: usize },
    #[error("the token is not valid: {0}")]
    Token(#[from] InvalidJws),
    #[error("the token is encrypted, which is not supported")]
    Encrypted,
    #[error("the {what} is not JSON: {source}")]
    Json {
        what: &'static str,
        source: InvalidDocument,
    },
    #[error("the payload is not UTF-8")]
    Utf8,
    #[error("`{0}` of the header is not a string")]
    HeaderField(&'static str),
    #[error("`crit` of the header is not a list of names")]
    Crit,
    #[error("`{0}` is not a number")]
    Claim(&'static str),
    #[error("the constraint `{0}` is unknown")]
    UnknownConstraint(String),
    #[error("the constraint `{0}` is not a string")]
    Constraint(&'static str),
    #[error("the constraint `time` is not a number of nanoseconds")]
    Time,
    #[error("there is neither `cert` nor `secret`")]
    NoKey,
    #[error("there are both `cert` and `secret`")]
    TwoKeys,
    #[error("the key is not usable: {0}")]
    Key(#[from] UnusableKey),
    #[error("the key is neither PEM nor JSON: {0}")]
    KeyText(#[source] InvalidJson),
    #[error("`keys` is not a list")]
    KeySet,
    #[error("there are more than {0} keys")]
    TooManyKeys(usize),
    #[error("more than {0} keys of the set may have signed the token")]
    TooManyCandidates(usize),
    #[error("the key set is empty")]
    NoSigningKey,
    #[error("the header is not valid: {0}")]
    Header(#[source] InvalidJson),
    #[error("the header names no algorithm that signs")]
    Algorithm,
    #[error("the payload of a `JWT` is not JSON")]
    NoJsonPayload,
    #[error("a value has no JSON text: {0}")]
    Unwritable(String),
}
