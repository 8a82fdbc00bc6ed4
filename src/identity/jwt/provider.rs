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

impl Provider {
    /// By how much clocks may differ when nothing is said.
    pub const CLOCK_SKEW: Duration = Duration::from_secs(30);
    /// The least time between two fetches when nothing is said.
    pub const MIN_REFRESH: Duration = Duration::from_secs(10);

    /// The provider of whom only this is known: everything else is what it is when nothing is said.
    pub fn new(name: &str, issuer: &str) -> Self {
        Self {
            name: name.into(),
            issuer: issuer.into(),
            audiences: Vec::new(),
            algorithms: Algorithm::asymmetric(),
            secret: None,
            locations: vec![Location::bearer()],
            clock_skew: Self::CLOCK_SKEW,
            max_lifetime: None,
            require_exp: true,
            required_claims: Vec::new(),
            typ: None,
            space_delimited_claims: Arc::default(),
            on_missing: OnFailure::Policy,
            on_invalid: OnFailure::Policy,
            strip_on_allow: false,
            wait_for_key: Duration::ZERO,
            min_refresh: Self::MIN_REFRESH,
        }
    }

    /// Whether checks may wait for its keys.
    pub fn waits_for_keys(&self) -> bool {
        !self.wait_for_key.is_zero()
    }
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
