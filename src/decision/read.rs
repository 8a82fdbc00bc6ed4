//! Reading a policy's values: by matching, so that a wrong type costs no allocation.

use std::{borrow::Cow, sync::Arc};

use super::{MalformedDecision, Rule};
use crate::input::{Value, type_name};

/// The items of an array, or of a set in its sorted order; `None` for anything else.
pub(super) fn items(value: &Value) -> Option<impl Iterator<Item = &Value>> {
    let (array, set) = match value {
        Value::Array(array) => (Some(array.iter()), None),
        Value::Set(set) => (None, Some(set.iter_sorted())),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Undefined => return None,
    };
    Some(array.into_iter().flatten().chain(set.into_iter().flatten()))
}

/// The entries of an object in their sorted order; none for anything else.
pub(super) fn entries(value: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let object = match value {
        Value::Object(object) => Some(object.iter_sorted()),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Set(_)
        | Value::Undefined => None,
    };
    object.into_iter().flatten()
}

/// The text of a string.
pub(super) fn text(value: &Value) -> Result<&Arc<str>, Rule> {
    if let Value::String(text) = value {
        Ok(text)
    } else {
        Err(wrong_type("a string", value))
    }
}

/// An object key as JSON has it: Rego's other keys become their JSON text.
pub(super) fn key(value: &Value) -> Result<Cow<'_, str>, Rule> {
    if let Value::String(text) = value {
        return Ok(Cow::Borrowed(text));
    }
    match value.to_json_str() {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(_) => Err(wrong_type("a string", value)),
    }
}

/// Hands every string of a string or a list of strings to `take`, with its place in the list.
pub(super) fn one_or_many<'v>(
    value: &'v Value,
    expected: &'static str,
    mut take: impl FnMut(&'v Value) -> Result<(), MalformedDecision>,
) -> Result<(), MalformedDecision> {
    let Some(items) = items(value) else {
        return match value {
            Value::String(_) | Value::Object(_) => take(value),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Set(_)
            | Value::Undefined => Err(wrong_type(expected, value).into()),
        };
    };
    for (index, item) in items.enumerate() {
        take(item).map_err(|e| e.at_index(index))?;
    }
    Ok(())
}

pub(super) fn wrong_type(expected: &'static str, found: &Value) -> Rule {
    Rule::WrongType {
        expected,
        found: type_name(found),
    }
}
