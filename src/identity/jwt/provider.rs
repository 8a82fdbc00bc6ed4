//! A provider: one issuer of tokens that is trusted, and what is asked of its tokens.

use std::{sync::Arc, time::Duration};

use percent_encoding::percent_decode_str;

use crate::{identity::jose::Algorithm, redact::Secret};

/// One issuer of tokens that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// What operators call it: in `input.jwt.provider`, metrics and logs.
    pub name: Arc<str>,
    /// The `iss` of its tokens, compared as it is.
    pub issuer: Arc<str>,
    /// One of these must be in `aud`; empty: any, or none.
    pub audiences: Vec<String>,
    /// The algorithms its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The key of the HMAC algorithms among them.
    pub secret: Option<Secret<Vec<u8>>>,
    /// Where its tokens are looked for.
    pub locations: Vec<Location>,
    /// By how much clocks may differ.
    pub clock_skew: Duration,
    /// The longest time between `iat` and `exp`; a token without `iat` is refused then.
    pub max_lifetime: Option<Duration>,
    /// Whether a token without `exp` is refused.
    pub require_exp: bool,
    /// Claims that must be there and not null.
    pub required_claims: Vec<String>,
    /// The `typ` of the header, such as `at+jwt` (RFC 9068), compared as media types are.
    pub typ: Option<String>,
    /// Claims that hold words joined by spaces, which become lists.
    pub space_delimited_claims: Arc<[String]>,
    /// What happens to a request without a token.
    pub on_missing: OnFailure,
    /// What happens to a request with a token that does not verify.
    pub on_invalid: OnFailure,
    /// Whether the token is taken out of a request that is let through.
    pub strip_on_allow: bool,
    /// How long a check may wait for a key that is being fetched; zero: not at all.
    pub wait_for_key: Duration,
    /// The least time between two fetches of its keys.
    pub min_refresh: Duration,
}

/// Where a token is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// A request header. A token beside any other value of it, joined with `,`, counts as several.
    Header {
        /// In lower case.
        name: Box<str>,
        /// What stands before the token, such as `Bearer `; compared without case when it is
        /// an authentication scheme (ends with a space). A value without it holds no token.
        prefix: Box<str>,
    },
    /// A cookie of exactly this name.
    Cookie(Box<str>),
    /// A query parameter of exactly this name, once both are percent-decoded.
    Param(Box<str>),
}

impl Location {
    /// `Authorization: Bearer` (RFC 6750, section 2.1).
    pub fn bearer() -> Self {
        Self::Header {
            name: "authorization".into(),
            prefix: "Bearer ".into(),
        }
    }

    /// Whether a query that has this `spelling` means the parameter `name`, as upstreams read it.
    pub fn is_spelling(spelling: &str, name: &str) -> bool {
        let spelling = spelling.replace('+', " ");
        percent_decode_str(&spelling).decode_utf8_lossy() == name
    }
}

/// What happens to a request whose token is missing or does not verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The policy decides: it sees `jwt_error`.
    #[default]
    Policy,
    /// Denied with 401.
    Deny,
}
