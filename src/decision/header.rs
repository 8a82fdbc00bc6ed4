//! Headers that a policy sets or removes, checked against what Envoy does with them.
//!
//! Envoy trusts an authorization server: CR or LF in a denial leaves its client without an answer,
//! in an allow it fails the request, and NUL goes through. So nothing of that kind leaves here.

use std::sync::Arc;

use super::{
    MalformedDecision, Rule,
    read::{entries, items, key, one_or_many, text, wrong_type},
};
use crate::input::Value;

/// Most headers in one list: Envoy's own default limit for a request.
const MAX_HEADERS: usize = 100;
/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// Longest list, names and values together, in bytes: Envoy's default limit for all headers.
const MAX_TOTAL_BYTES: usize = 60 * 1024;

/// A header name, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(Arc<str>);

/// One header to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    name: HeaderName,
    value: Arc<str>,
    append: Option<AppendAction>,
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
        let mut list = List {
            place,
            headers: Vec::new(),
            bytes: 0,
        };
        if matches!(value, Value::Object(_)) {
            list.object(value)?;
            return Ok(list.headers);
        }
        let Some(items) = items(value) else {
            return Err(wrong_type("an object or a list of objects", value).into());
        };
        for (index, item) in items.enumerate() {
            list.object(item).map_err(|e| e.at_index(index))?;
        }
        Ok(list.headers)
    }
}

impl AppendAction {
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

/// A list of headers being read.
struct List {
    place: Place,
    headers: Vec<Header>,
    bytes: usize,
}

impl List {
    fn object(&mut self, value: &Value) -> Result<(), MalformedDecision> {
        if !matches!(value, Value::Object(_)) {
            return Err(wrong_type("an object", value).into());
        }
        for (name, values) in entries(value) {
            let text = key(name)?;
            self.header(&text, values).map_err(|e| e.below(&text))?;
        }
        Ok(())
    }

    fn header(&mut self, name: &str, values: &Value) -> Result<(), MalformedDecision> {
        let name = HeaderName::parse(name, self.place)?;
        let expected = "a string, an object with `value`, or a list of those";
        one_or_many(values, expected, |value| {
            let (value, append) = self.value(value)?;
            self.push(Header {
                name: name.clone(),
                value,
                append,
            })
            .map_err(MalformedDecision::from)
        })
    }

    /// Reads a string or `{"value": string, "append_action": string}`.
    fn value(&self, value: &Value) -> Result<(Arc<str>, Option<AppendAction>), MalformedDecision> {
        if !matches!(value, Value::Object(_)) {
            return Ok((Arc::clone(text(value)?), None));
        }
        let (mut content, mut append) = (None, None);
        for (name, value) in entries(value) {
            let Value::String(name) = name else { continue };
            match name.as_ref() {
                "value" => content = Some(text(value).map_err(|rule| rule.at(name))?),
                "append_action" => {
                    let action = text(value).and_then(|action| self.action(action));
                    append = Some(action.map_err(|rule| rule.at(name))?);
                }
                _ => {}
            }
        }
        let content = content.ok_or_else(|| Rule::Missing.at("value"))?;
        Ok((Arc::clone(content), append))
    }

    /// Envoy sets or appends request headers and knows nothing else: better no decision than
    /// another one than the policy asked for.
    fn action(&self, name: &str) -> Result<AppendAction, Rule> {
        let action = AppendAction::parse(name)?;
        match action {
            AppendAction::AddIfAbsent | AppendAction::OverwriteIfExists
                if self.place == Place::Request =>
            {
                Err(Rule::AppendActionIgnored)
            }
            AppendAction::AddIfAbsent
            | AppendAction::OverwriteIfExists
            | AppendAction::AppendIfExistsOrAdd
            | AppendAction::OverwriteIfExistsOrAdd => Ok(action),
        }
    }

    fn push(&mut self, mut header: Header) -> Result<(), Rule> {
        check_value(&header.name, &header.value)?;
        let repeated = self.headers.iter().any(|other| other.name == header.name);
        if header.name.is_request_line()
            && (repeated || header.append == Some(AppendAction::AppendIfExistsOrAdd))
        {
            return Err(Rule::SingleValue);
        }
        if repeated && header.append.is_none() {
            header.append = Some(AppendAction::AppendIfExistsOrAdd);
        }
        if self.headers.len() >= MAX_HEADERS {
            return Err(Rule::TooMany(MAX_HEADERS));
        }
        self.bytes = self
            .bytes
            .saturating_add(header.name.0.len())
            .saturating_add(header.value.len());
        if self.bytes > MAX_TOTAL_BYTES {
            return Err(Rule::TooLong(MAX_TOTAL_BYTES));
        }
        self.headers.push(header);
        Ok(())
    }
}

fn check_value(name: &HeaderName, value: &str) -> Result<(), Rule> {
    if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        return Err(Rule::ControlCharacter);
    }
    if value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']) {
        return Err(Rule::Padded);
    }
    let visible = || value.bytes().all(|b| b.is_ascii_graphic());
    let valid = match name.as_str() {
        ":path" => value.starts_with('/') && visible() && !value.contains('#'),
        ":method" => !value.is_empty() && value.bytes().all(is_token),
        ":authority" | "host" => {
            !value.is_empty() && visible() && !value.contains(['/', '?', '#', '@', '\\'])
        }
        _ => true,
    };
    valid.then_some(()).ok_or(Rule::PseudoHeaderValue)
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
