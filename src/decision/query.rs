//! Query parameters that a policy sets or removes.
//!
//! Envoy puts them into the path as they come, so they are percent-encoded here: a policy deals in
//! decoded text. Names keep every character that is plain in a query, so that `a[b]` still meets
//! the `a[b]` of the request.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    MalformedDecision, Rule,
    read::{entries, items, key, one_or_many, text, wrong_type},
};
use crate::input::Value;

/// Most parameters in one list.
const MAX_PARAMETERS: usize = 100;
/// Longest name or value before encoding, in bytes.
const MAX_BYTES: usize = 8 * 1024;
/// Longest list after encoding, in bytes: what fits into Envoy's default limit for all headers.
const MAX_TOTAL_BYTES: usize = 32 * 1024;

/// What a name may not hold as it is.
const NAME: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'=')
    .add(b'>');

/// Everything but RFC 3986's unreserved characters.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One parameter to set, percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryParameter {
    name: String,
    value: String,
}

impl QueryParameter {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Reads `{name: value}` or `{name: [value, ..]}`.
    pub(super) fn list(value: &Value) -> Result<Vec<Self>, MalformedDecision> {
        if !matches!(value, Value::Object(_)) {
            return Err(wrong_type("an object", value).into());
        }
        let mut list = Vec::new();
        let mut total = 0_usize;
        for (name, values) in entries(value) {
            let name = key(name)?;
            let mut take = |value: &Value| {
                let parameter = Self {
                    name: encode(&name, NAME)?,
                    value: encode(text(value)?, VALUE)?,
                };
                total = total
                    .saturating_add(parameter.name.len())
                    .saturating_add(parameter.value.len());
                push(&mut list, parameter, total)
            };
            one_or_many(values, "a string or a list of strings", &mut take)
                .map_err(|e| e.below(&name))?;
        }
        Ok(list)
    }

    /// Reads `[name, ..]`.
    pub(super) fn removals(value: &Value) -> Result<Vec<String>, MalformedDecision> {
        let Some(items) = items(value) else {
            return Err(wrong_type("a list of strings", value).into());
        };
        let mut list = Vec::new();
        let mut total = 0_usize;
        for (index, item) in items.enumerate() {
            let mut take = || {
                let name = encode(text(item)?, NAME)?;
                total = total.saturating_add(name.len());
                push(&mut list, name, total)
            };
            take().map_err(|e| e.at_index(index))?;
        }
        Ok(list)
    }
}

fn push<T>(list: &mut Vec<T>, item: T, total: usize) -> Result<(), MalformedDecision> {
    if list.len() >= MAX_PARAMETERS {
        return Err(Rule::TooMany(MAX_PARAMETERS).into());
    }
    if total > MAX_TOTAL_BYTES {
        return Err(Rule::TooLong(MAX_TOTAL_BYTES).into());
    }
    list.push(item);
    Ok(())
}

fn encode(text: &str, set: &'static AsciiSet) -> Result<String, Rule> {
    if text.len() > MAX_BYTES {
        return Err(Rule::TooLong(MAX_BYTES));
    }
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(Rule::ControlCharacter);
    }
    Ok(utf8_percent_encode(text, set).to_string())
}
