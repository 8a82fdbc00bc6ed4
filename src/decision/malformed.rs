//! Why a policy's answer is not a decision: the key and the rule it breaks.
//!
//! Values never appear in the text: they may hold what the request or a token held.

use std::fmt::Write;

/// Longest piece of a key path that is shown, in characters.
const MAX_SEGMENT: usize = 64;

/// A policy's answer that is not a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedDecision {
    path: String,
    rule: Rule,
}

/// What a decision must keep to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// The key is required.
    #[error("is missing")]
    Missing,
    /// The value has another type.
    #[error("must be {expected}, is {found}")]
    WrongType {
        /// What is accepted.
        expected: &'static str,
        /// The Rego type that is there.
        found: &'static str,
    },
    /// A header name that is not an RFC 9110 token, or is too long.
    #[error("is not a header name")]
    HeaderName,
    /// A pseudo or hop-by-hop header, which belongs to the proxy.
    #[error("is a header that a policy may not touch here")]
    ForbiddenHeader,
    /// `:path`, `:method`, `:authority` or `host` with several values.
    #[error("takes one value only")]
    SingleValue,
    /// A header value or query text with CR, LF, NUL or another control character.
    #[error("contains a control character")]
    ControlCharacter,
    /// A header value with white space around it, which HTTP/2 forbids.
    #[error("starts or ends with white space")]
    Padded,
    /// A rewritten `:path`, `:method` or `:authority` that Envoy could not send.
    #[error("is not a value this header can have")]
    PseudoHeaderValue,
    /// `append_action` is none of Envoy's four names.
    #[error("is not one of Envoy's append actions")]
    AppendAction,
    /// Envoy overwrites request headers whatever these actions say.
    #[error("is an append action that Envoy does not honour on request headers")]
    AppendActionIgnored,
    /// Not an HTTP status from 200 to 599 that Envoy knows.
    #[error("is not an HTTP status from 200 to 599 that Envoy knows")]
    HttpStatus,
    /// A status that goes without a body has one.
    #[error("must be empty with status {0}")]
    BodyNotAllowed(u16),
    /// Over a limit in bytes.
    #[error("is over {0} bytes")]
    TooLong(usize),
    /// Over a limit in entries.
    #[error("has more than {0} entries")]
    TooMany(usize),
    /// Nested too deeply for Envoy's decoder.
    #[error("is nested deeper than {0} levels")]
    TooDeep(usize),
    /// A number that no double comes near.
    #[error("is a number out of range")]
    NumberRange,
}

impl MalformedDecision {
    /// The key, as in `headers.x-user[1]`; empty for the decision itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The rule it breaks.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The same problem, seen from the object around it.
    pub(super) fn below(mut self, key: &str) -> Self {
        let mut path = String::new();
        path.extend(key.chars().take(MAX_SEGMENT).flat_map(char::escape_debug));
        if !self.path.is_empty() && !self.path.starts_with('[') {
            path.push('.');
        }
        path.push_str(&self.path);
        self.path = path;
        self
    }

    /// The same problem, seen from the list around it.
    pub(super) fn at_index(mut self, index: usize) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        let mut path = String::new();
        // Writing to a String cannot fail.
        let _infallible = write!(path, "[{index}]{dot}{}", self.path);
        self.path = path;
        self
    }
}

impl Rule {
    /// This rule, broken by the key `key`.
    pub(super) fn at(self, key: &str) -> MalformedDecision {
        MalformedDecision::from(self).below(key)
    }
}

impl From<Rule> for MalformedDecision {
    fn from(rule: Rule) -> Self {
        Self {
            path: String::new(),
            rule,
        }
    }
}

impl std::fmt::Display for MalformedDecision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            write!(f, "the decision {}", self.rule)
        } else {
            write!(f, "`{}` {}", self.path, self.rule)
        }
    }
}

impl std::error::Error for MalformedDecision {}
