//! Credentials in what is kept of requests: known by the name they stand under, or by their shape.
//!
//! What is taken out leaves a keyed hash behind, so that two records of one credential can be brought
//! together while the credential cannot be found by guessing: HMAC-SHA-256, of which 64 bits are shown.

mod names;

use hmac::{Hmac, KeyInit as _, Mac as _};
use memchr::memmem;
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use super::{Secret, is_token_character};
use names::Names;

/// What is taken out beside what is known by default.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// More names of headers, in any case. Of these and the parameters, `-`, `_` and `.` apart, at most
    /// 128 bytes each: a longer one is not known.
    pub headers: Vec<String>,
    /// More names of query parameters and of fields in bodies, in any case.
    pub parameters: Vec<String>,
    /// The key of the hash; without one each process has its own, and hashes of two processes or of
    /// two runs of one have nothing to do with each other.
    pub key: Option<Secret<Vec<u8>>>,
    /// Nothing is taken out.
    pub off: bool,
}

/// Takes credentials out of text.
pub struct Redactor {
    names: Names,
    mac: Hmac<Sha256>,
    off: bool,
}

impl Redactor {
    /// One that knows `options` beside what it knows by itself.
    pub fn new(options: &Options) -> Self {
        let more = options.headers.iter().chain(&options.parameters);
        let random = Secret::new(uuid_key());
        let key = options.key.as_ref().unwrap_or(&random).expose();
        // A key of any length will do, so there is no error; if there were, the hash would be worth
        // nothing but still show nothing.
        let mac = Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&[0; 64].into()));
        Self {
            names: Names::with(more.map(String::as_str)),
            mac,
            off: options.off,
        }
    }

    /// Whether what stands under this name is a credential: a header, a parameter or a field.
    pub fn hides(&self, name: &str) -> bool {
        !self.off && self.names.contain(name)
    }

    /// What is shown of a credential.
    pub fn hash(&self, credential: &[u8]) -> String {
        let mut mac = self.mac.clone();
        mac.update(credential);
        let digest = mac.finalize().into_bytes();
        let shown = digest.first_chunk::<SHOWN>().copied().unwrap_or_default();
        format!("{PREFIX}{:016x}", u64::from_be_bytes(shown))
    }

    /// A header that is a credential, with the scheme of it left.
    pub fn credentials(&self, value: &str) -> String {
        match value.split_once(' ') {
            Some((scheme, rest)) if SCHEMES.iter().any(|s| s.eq_ignore_ascii_case(scheme)) => {
                format!("{scheme} {}", self.hash(rest.trim().as_bytes()))
            }
            Some(_) | None => self.hash(value.as_bytes()),
        }
    }

    /// The value of a header without credentials; `None` when there are none.
    pub fn header(&self, name: &str, value: &str) -> Option<String> {
        if self.hides(name) && !value.is_empty() {
            return Some(self.credentials(value));
        }
        self.text(value)
    }

    /// A text without the tokens and parameters in it; `None` when there are none.
    pub fn text(&self, text: &str) -> Option<String> {
        // Most texts hold neither a parameter nor the beginning of a token nor a user.
        if self.off || memchr::memchr3(b'=', b'J', b'@', text.as_bytes()).is_none() {
            return None;
        }
        let mut shown = self.without_parameters(text);
        for without in [Self::without_tokens, Self::without_users] {
            let left = shown.as_deref().unwrap_or(text);
            if let Some(less) = without(self, left) {
                shown = Some(less);
            }
        }
        shown
    }

    /// A body without credentials; `None` when there are none. One that names a credential is not
    /// taken apart: nothing is shown of it.
    pub fn body(&self, body: &str) -> Option<String> {
        if self.off {
            return None;
        }
        if self.names_a_credential(body) {
            return Some(self.hash(body.as_bytes()));
        }
        self.text(body)
    }

    /// Whether a JSON key, a form's field or a part of a multipart body is named as a credential is.
    fn names_a_credential(&self, body: &str) -> bool {
        let quoted = body.split('"').any(|part| self.names.contain(part));
        quoted
            || body.split(['&', '\n', ';']).any(|pair| {
                let name = pair.split_once('=').map(|(name, _)| name.trim());
                name.is_some_and(|name| self.names.contain(&decoded(name)))
            })
    }

    /// `name=value` with the value replaced, where the name is that of a credential.
    fn without_parameters(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        // From here on `rest` has not been looked at; `kept` is what is before it and not written.
        let mut kept = text;
        while let Some((before, after)) = rest.split_once('=') {
            let name = before.rsplit(ends_a_name).next().unwrap_or_default();
            rest = after;
            if name.is_empty() || !self.names.contain(&decoded(name)) {
                continue;
            }
            // Looked for only now: once for each `=` it would be read again and again.
            let value = after.split(ends_a_value).next().unwrap_or_default();
            if value.is_empty() {
                continue;
            }
            let (head, _) = kept.split_at(kept.len().saturating_sub(after.len()));
            out.push_str(head);
            out.push_str(&self.hash(value.as_bytes()));
            rest = after.get(value.len()..).unwrap_or_default();
            kept = rest;
        }
        (!out.is_empty()).then(|| out + kept)
    }

    /// Hashes in the place of JSON Web Tokens.
    fn without_tokens(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = memmem::find(rest.as_bytes(), START.as_bytes()) {
            let (before, token) = rest.split_at(at);
            out.push_str(before);
            rest = token.trim_start_matches(is_token_character);
            let (token, _) = token.split_at(token.len().saturating_sub(rest.len()));
            out.push_str(&self.hash(token.as_bytes()));
        }
        (!out.is_empty()).then(|| out + rest)
    }

    /// A hash in the place of what stands before the `@` of a URL.
    fn without_users(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        let mut kept = text;
        while let Some((_, after)) = rest.split_once("://") {
            rest = after;
            let authority = after.split(ends_an_authority).next().unwrap_or_default();
            let Some((user, _)) = authority.rsplit_once('@') else {
                continue;
            };
            let (head, _) = kept.split_at(kept.len().saturating_sub(after.len()));
            out.push_str(head);
            out.push_str(&self.hash(user.as_bytes()));
            rest = after.get(user.len()..).unwrap_or_default();
            kept = rest;
        }
        (!out.is_empty()).then(|| out + kept)
    }
}

/// Shows neither the names nor the key.
impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// 244 random bits.
fn uuid_key() -> Vec<u8> {
    let [one, other] = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    [one.into_bytes(), other.into_bytes()].concat()
}

/// A name as it is meant, not as it is written in a URL.
fn decoded(name: &str) -> std::borrow::Cow<'_, str> {
    percent_decode_str(name).decode_utf8_lossy()
}

fn ends_a_name(c: char) -> bool {
    !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '%' | '~' | '[' | ']'))
}

fn ends_a_value(c: char) -> bool {
    c == '&' || c == '#' || c.is_whitespace()
}

fn ends_an_authority(c: char) -> bool {
    matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>') || c.is_whitespace()
}

/// Every JOSE header starts as `{"`, which base64url writes so.
const START: &str = "eyJ";
const PREFIX: &str = "sha256:";
/// Bytes of the hash that are shown.
const SHOWN: usize = 8;
/// What may stand before a credential in a header and is none.
const SCHEMES: [&str; 12] = [
    "Bearer",
    "Basic",
    "Digest",
    "DPoP",
    "Negotiate",
    "NTLM",
    "HOBA",
    "Mutual",
    "VAPID",
    "Token",
    "ApiKey",
    "AWS4-HMAC-SHA256",
];

#[cfg(test)]
mod tests;
