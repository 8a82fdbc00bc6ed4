//! Headers that a policy sets or removes, checked against what Envoy does with them.
//!
//! Envoy trusts an authorization server: CR or LF in a denial leaves its client without an answer,
//! in an allow it fails the request, and NUL goes through. So nothing of that kind leaves here.

mod list;

use std::sync::Arc;

use super::{
    MalformedDecision, Rule,
    read::{items, text, wrong_type},
};
use crate::input::Value;
use list::List;

/// Most headers in one list: Envoy's own default limit for a request.
const MAX_HEADERS: usize = 100;
/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// A header name, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(pub(super) Arc<str>);

/// One header to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) name: HeaderName,
    pub(super) value: Arc<str>,
    pub(super) append: Option<AppendAction>,
}

/// What to do when the header is there already (`HeaderValueOption.HeaderAppendAction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendAction {
    /// Add another value. On a request header Envoy does nothing when there is none yet.
    AppendIfExistsOrAdd,
    /// Leave the old value.
    AddIfAbsent,
    /// Replace it, or add the header.
    OverwriteIfExistsOrAdd,
    /// Replace it, and add nothing when there is none.
    OverwriteIfExists,
}

/// Where a header goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On the request, on its way up.
    Request,
    /// Off the request.
    Removal,
    /// On the upstream's response.
    Response,
    /// On the answer that we give instead.
    Denial,
}

impl HeaderName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(name: &str, place: Place) -> Result<Self, Rule> {
        if let Some(pseudo) = name.strip_prefix(':') {
            let settable = matches!(pseudo, "path" | "method" | "authority");
            return if settable && place == Place::Request {
                Ok(Self(name.into()))
            } else {
                Err(Rule::ForbiddenHeader)
            };
        }
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_token) {
            return Err(Rule::HeaderName);
        }
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "connection" | "content-length" | "http2-settings" | "keep-alive"
            | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade" => {
                Err(Rule::ForbiddenHeader)
            }
            "host" if place != Place::Request => Err(Rule::ForbiddenHeader),
            _ => Ok(Self(name.into())),
        }
    }

    /// Reads `[name, ..]`.
    pub(super) fn removals(value: &Value) -> Result<Vec<Self>, MalformedDecision> {
        let Some(items) = items(value) else {
            return Err(wrong_type("a list of strings", value).into());
        };
        let mut list = Vec::new();
        for (index, item) in items.enumerate() {
            let name = text(item).and_then(|name| Self::parse(name, Place::Removal));
            list.push(name.map_err(|rule| MalformedDecision::from(rule).at_index(index))?);
            if list.len() > MAX_HEADERS {
                return Err(Rule::TooMany(MAX_HEADERS).into());
            }
        }
        Ok(list)
    }

    /// The headers that are the request line: they have one value each.
    fn is_request_line(&self) -> bool {
        self.0.starts_with(':') || self.as_str() == "host"
    }
}

/// The name of a header that goes to the caller.
impl std::str::FromStr for HeaderName {
    type Err = Rule;

    fn from_str(name: &str) -> Result<Self, Rule> {
        Self::parse(name, Place::Denial)
    }
}

impl Header {
    /// The name.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The value: no control characters but tab.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What to do with a value that is there already. `None` leaves it to the place: replace on a
    /// request, add to a response. A second value of one name in one list is an append.
    pub fn append(&self) -> Option<AppendAction> {
        self.append
    }

    /// Reads an object of headers or a list of such objects.
    pub(super) fn list(value: &Value, place: Place) -> Result<Vec<Self>, MalformedDecision> {
        let mut list = List::new(place);
        if matches!(value, Value::Object(_)) {
            list.object(value)?;
            return Ok(list.finish());
        }
        let Some(items) = items(value) else {
            return Err(wrong_type("an object or a list of objects", value).into());
        };
        for (index, item) in items.enumerate() {
            list.object(item).map_err(|e| e.at_index(index))?;
        }
        Ok(list.finish())
    }
}

impl AppendAction {
    /// The name that policies and Envoy have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AppendIfExistsOrAdd => "APPEND_IF_EXISTS_OR_ADD",
            Self::AddIfAbsent => "ADD_IF_ABSENT",
            Self::OverwriteIfExistsOrAdd => "OVERWRITE_IF_EXISTS_OR_ADD",
            Self::OverwriteIfExists => "OVERWRITE_IF_EXISTS",
        }
    }

    fn parse(name: &str) -> Result<Self, Rule> {
        match name {
            "APPEND_IF_EXISTS_OR_ADD" => Ok(Self::AppendIfExistsOrAdd),
            "ADD_IF_ABSENT" => Ok(Self::AddIfAbsent),
            "OVERWRITE_IF_EXISTS_OR_ADD" => Ok(Self::OverwriteIfExistsOrAdd),
            "OVERWRITE_IF_EXISTS" => Ok(Self::OverwriteIfExists),
            _ => Err(Rule::AppendAction),
        }
    }
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
