//! Why a signature is not taken, in words that show what a stranger wrote only escaped and cut.

use super::token::MAX_BYTES;
use crate::chain::Chain;
use crate::identity::jose::InvalidJws;
use crate::policy::diagnostic::Diagnostic;

/// Why a signature is not taken. Texts of the token are shown escaped and cut.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("`.signatures.json` is not readable")]
    File(#[source] serde_json::Error),
    #[error("`.signatures.json` has {0} bytes; {most} is the most", most = MAX_BYTES)]
    TooLong(usize),
    #[error("`.signatures.json` has {0} signatures; exactly one is supported")]
    Count(usize),
    #[error("the signature is for a verifier `{0}`, which is not supported")]
    Plugin(String),
    #[error("the signature is not a JWT")]
    Jws(#[from] InvalidJws),
    #[error("the signature's payload is not readable")]
    Payload(#[source] serde_json::Error),
    #[error("the header's `{0}` is not a string")]
    Header(&'static str),
    #[error("the header has `{0}`, which is not supported")]
    Unsupported(&'static str),
    #[error("the signature names no key: `kid` is missing, and `keyid` is not configured")]
    NoKeyId,
    #[error("key id `{0}` is not among the configured keys")]
    UnknownKey(String),
    #[error("the signature is made with `{found}`; the key `{key}` is for `{expected}`")]
    Algorithm {
        key: String,
        expected: &'static str,
        found: String,
    },
    #[error("the signature is not that of the key `{0}`")]
    Signature(String),
    #[error("the signature is for the scope `{found}`; the scope is `{expected}`")]
    Scope { expected: String, found: String },
    #[error("the signature lists `{0}` twice")]
    Twice(String),
    #[error("the hash algorithm `{algorithm}` of `{name}` is unknown")]
    HashAlgorithm { name: String, algorithm: String },
    #[error("the hash of `{0}` is not one of its algorithm in hexadecimal digits")]
    Hash(String),
}

impl Refused {
    pub(super) fn of_bundle(&self, bundle: &str) -> Diagnostic {
        let problem = Diagnostic::of_file(bundle, Chain(self).to_string());
        if matches!(self, Self::UnknownKey(_) | Self::NoKeyId) {
            return problem.hinting(
                "`signing.keyid` of the bundle (`--verification-key-id`) says which key it is",
            );
        }
        problem
    }
}

/// What a problem may show of a text that nobody vouches for.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(MAX_SHOWN)
        .flat_map(char::escape_debug)
        .collect()
}

const MAX_SHOWN: usize = 128;
