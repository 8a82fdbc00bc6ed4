//! Credentials in what is kept of requests: known by the name they stand under, or by their shape.
//!
//! What is taken out leaves a keyed hash behind, so that two records of one credential can be brought
//! together while the credential cannot be found by guessing: HMAC-SHA-256, of which 64 bits are shown.

mod body;
mod names;
mod text;

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use super::{MASK, Secret};
use names::Names;

pub use body::Looked;
pub(super) use names::ends_as_one;

/// What is taken out beside what is known by default.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// More names of headers, in any case.
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
    /// `None`: what is taken out leaves no hash behind.
    mac: Option<Hmac<Sha256>>,
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
            mac: Some(mac),
            off: options.off,
        }
    }

    /// The same for people, who have no use for hashes; always on.
    pub fn masking(options: &Options) -> Self {
        Self {
            mac: None,
            off: false,
            ..Self::new(options)
        }
    }

    /// Whether a field of this name holds a credential.
    pub fn hides(&self, name: &str) -> bool {
        !self.off && self.names.contain(name)
    }

    /// The same of a header or a parameter of a query or a form.
    pub fn hides_parameter(&self, name: &str) -> bool {
        !self.off && self.names.contain_parameter(name)
    }

    /// Whether nothing is taken out.
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// What is shown of a credential.
    pub fn hash(&self, credential: &[u8]) -> String {
        let Some(mac) = &self.mac else {
            return MASK.to_owned();
        };
        let mut mac = mac.clone();
        mac.update(credential);
        let digest = mac.finalize().into_bytes();
        let shown = digest.first_chunk::<SHOWN>().copied().unwrap_or_default();
        format!("{PREFIX}{:016x}", u64::from_be_bytes(shown))
    }

    /// A header that is a credential, with the scheme of it left.
    pub fn credentials(&self, value: &str) -> String {
        self.credentials_at(value, &mut Taken::default())
    }

    pub(super) fn credentials_at(&self, value: &str, taken: &mut Taken) -> String {
        match scheme(value) {
            Some((scheme, rest)) => format!("{scheme} {}", self.replace(taken, rest.trim())),
            None => self.replace(taken, value),
        }
    }

    /// The value of a header without credentials; `None` when there are none.
    pub fn header(&self, name: &str, value: &str) -> Option<String> {
        self.header_at(name, value, &mut Taken::default())
    }

    pub(super) fn header_at(&self, name: &str, value: &str, taken: &mut Taken) -> Option<String> {
        if self.off || value.is_empty() {
            return None;
        }
        let is_challenge = || CHALLENGES.iter().any(|it| it.eq_ignore_ascii_case(name));
        if self.names.contain_parameter(name) || (scheme(value).is_some() && !is_challenge()) {
            return Some(self.credentials_at(value, taken));
        }
        self.any_at(value, taken, DEEPEST)
    }

    /// A text without the tokens and parameters in it; `None` when there are none.
    pub fn text(&self, text: &str) -> Option<String> {
        self.text_at(text, &mut Taken::default(), DEEPEST)
    }

    /// The credentials in a text or in a body.
    pub fn found(&self, text: &str) -> Vec<String> {
        let mut taken = Taken::all();
        self.header_at("", text, &mut taken);
        taken.found.unwrap_or_default()
    }

    /// Takes `length` bytes from the beginning of `rest`, and gives what is left of it. The last
    /// credential that a hash is made of is everything that is left.
    fn take<'t>(
        &self,
        taken: &mut Taken,
        out: &mut String,
        rest: &'t str,
        length: usize,
    ) -> &'t str {
        let length = if taken.left <= 1 { rest.len() } else { length };
        let (credential, rest) = rest.split_at_checked(length).unwrap_or((rest, ""));
        out.push_str(&self.replace(taken, credential));
        rest
    }

    /// What is shown of a credential, while there is something left to make a hash of it with.
    fn replace(&self, taken: &mut Taken, credential: &str) -> String {
        if let Some(found) = &mut taken.found {
            found.push(credential.to_owned());
        }
        match taken.left.checked_sub(1) {
            Some(left) => {
                taken.left = left;
                self.hash(credential.as_bytes())
            }
            None => MASK.to_owned(),
        }
    }
}

/// How many credentials may still be taken out of one thing with a hash for each: a hash costs more
/// than it takes to write something that looks like a credential.
#[derive(Debug)]
pub(super) struct Taken {
    left: u32,
    /// What was taken out, where somebody wants to know.
    found: Option<Vec<String>>,
}

impl Taken {
    /// Nothing is left.
    fn nothing() -> Self {
        Self {
            left: 0,
            found: None,
        }
    }

    /// Everything is to be found.
    fn all() -> Self {
        Self {
            left: u32::MAX,
            found: Some(Vec::new()),
        }
    }
}

impl Default for Taken {
    fn default() -> Self {
        Self {
            left: MOST_HASHES,
            found: None,
        }
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

/// The scheme at the beginning of a header, and what follows.
fn scheme(value: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = value.split_once(' ')?;
    let known = SCHEMES.iter().any(|s| s.eq_ignore_ascii_case(scheme));
    (known && !rest.trim().is_empty()).then_some((scheme, rest))
}

const PREFIX: &str = "sha256:";
/// Bytes of the hash that are shown.
const SHOWN: usize = 8;
/// Hashes in one record, or in one text that is looked at alone.
const MOST_HASHES: u32 = 64;
/// How often text within text is decoded.
pub(super) const DEEPEST: u8 = 3;
/// Headers whose schemes say what is asked for.
const CHALLENGES: [&str; 2] = ["www-authenticate", "proxy-authenticate"];
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
