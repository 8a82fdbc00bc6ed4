//! A token as the functions read it: its parts, and the header fields they know.

use regorus::Value;

use super::{JwtError, VerifyingKey};
use crate::identity::jose::{Algorithm, Jws};
use crate::input::parse_json;

/// A token taken apart; nothing in it is proven.
#[derive(Debug)]
pub(super) struct Token<'t> {
    jws: Jws<'t>,
    /// The header as policies see it.
    pub(super) header: Value,
}

/// The header fields that are read.
#[derive(Debug)]
pub(super) struct Fields<'f> {
    /// Not empty.
    pub(super) alg: Option<&'f str>,
    /// Not empty.
    pub(super) kid: Option<&'f str>,
    pub(super) cty: Option<&'f str>,
    crit: Vec<&'f str>,
}

impl Fields<'_> {
    /// Whether everything that must be understood is (RFC 7515, section 4.1.11).
    pub(super) fn is_understood(&self) -> bool {
        self.crit.iter().all(|name| UNDERSTOOD.contains(name))
    }
}

impl<'t> Token<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, JwtError> {
        bounded(text, "token", MAX_TOKEN)?;
        let jws = Jws::parse(text)?;
        if jws.header.contains_key("enc") {
            return Err(JwtError::Encrypted);
        }
        let header = object(&jws.header_json, "header")?;
        Ok(Self { jws, header })
    }

    /// The fields; one of the wrong type is an error.
    pub(super) fn fields(&self) -> Result<Fields<'_>, JwtError> {
        self.string("typ")?;
        let crit = match self.jws.header.get("crit") {
            None => Vec::new(),
            Some(crit) => crit
                .as_array()
                .filter(|names| !names.is_empty())
                .and_then(|names| names.iter().map(serde_json::Value::as_str).collect())
                .ok_or(JwtError::Crit)?,
        };
        let given = |text: &&str| !text.is_empty();
        Ok(Fields {
            alg: self.string("alg")?.filter(given),
            kid: self.string("kid")?.filter(given),
            cty: self.string("cty")?,
            crit,
        })
    }

    /// The header field `name`.
    pub(super) fn string(&self, name: &'static str) -> Result<Option<&str>, JwtError> {
        match self.jws.header.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(JwtError::HeaderField(name)),
        }
    }

    /// What the payload says, if it is an object.
    pub(super) fn payload(&self) -> Result<Value, JwtError> {
        object(&self.jws.payload, "payload")
    }

    /// The payload as another token's text.
    pub(super) fn nested(&self) -> Result<&str, JwtError> {
        std::str::from_utf8(&self.jws.payload).map_err(|_| JwtError::Utf8)
    }

    /// The signature in hexadecimal digits.
    pub(super) fn signature(&self) -> Value {
        let halves = |byte: &u8| [byte >> 4, byte & 0xf];
        let signature = self.jws.signature.iter().flat_map(halves);
        let digits: String = signature
            .filter_map(|half| char::from_digit(u32::from(half), 16))
            .collect();
        Value::from(digits)
    }

    pub(super) fn is_signed_by(&self, key: &VerifyingKey, algorithm: Algorithm) -> bool {
        key.verify(algorithm, self.jws.signing_input, &self.jws.signature)
    }
}

fn object(text: &[u8], what: &'static str) -> Result<Value, JwtError> {
    let value = parse_json(text).map_err(|source| JwtError::Json { what, source })?;
    value.as_object().map_err(|_| JwtError::NoObject(what))?;
    Ok(value)
}

pub(super) fn bounded(text: &str, what: &'static str, limit: usize) -> Result<(), JwtError> {
    if text.len() > limit {
        return Err(JwtError::TooLong { what, limit });
    }
    Ok(())
}

/// The names that `crit` may list. The reference refuses only names that the header has as well.
const UNDERSTOOD: &[&str] = &["alg", "crit", "cty", "kid", "typ"];

/// The longest token: Envoy takes no headers longer than that by default.
pub(super) const MAX_TOKEN: usize = 64 << 10;
