//! A list of headers being read, and what their values must keep to.

use std::sync::Arc;

use super::{AppendAction, Header, HeaderName, MAX_HEADERS, Place, is_token};
use crate::{
    decision::{
        MalformedDecision, Rule,
        read::{entries, key, one_or_many, text, wrong_type},
    },
    input::Value,
};

/// Longest list, names and values together, in bytes: Envoy's default limit for all headers.
const MAX_TOTAL_BYTES: usize = 60 * 1024;

/// A list of headers being read.
pub(super) struct List {
    place: Place,
    headers: Vec<Header>,
    bytes: usize,
}

impl List {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            headers: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn finish(self) -> Vec<Header> {
        self.headers
    }

    pub(super) fn object(&mut self, value: &Value) -> Result<(), MalformedDecision> {
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
