//! Dynamic metadata: any JSON object, in the shape `google.protobuf.Struct` can carry.

use std::sync::Arc;

use super::{
    MalformedDecision, Rule,
    read::{entries, items, key, wrong_type},
};
use crate::input::Value;

/// Deepest nesting. One level of objects is three levels of messages on the wire, and protobuf
/// decoders stop at a hundred.
const MAX_DEPTH: usize = 16;
/// Most values in all.
const MAX_VALUES: usize = 10_000;
/// Longest text in all, keys included, in bytes.
const MAX_TEXT_BYTES: usize = 256 * 1024;

/// The object a policy hands to later filters and to the access log.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    fields: Vec<(Arc<str>, Json)>,
}

/// A JSON value; objects are sorted by key, numbers are doubles.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Number(f64),
    /// A string.
    String(Arc<str>),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(Arc<str>, Self)>),
}

impl Metadata {
    /// The fields, sorted by key.
    pub fn fields(&self) -> &[(Arc<str>, Json)] {
        &self.fields
    }

    pub(super) fn parse(value: &Value) -> Result<Self, MalformedDecision> {
        if !matches!(value, Value::Object(_)) {
            return Err(wrong_type("an object", value).into());
        }
        let mut room = Room {
            values: MAX_VALUES,
            text: MAX_TEXT_BYTES,
        };
        let fields = room.object(value, MAX_DEPTH)?;
        Ok(Self { fields })
    }
}

/// What may still be taken in.
struct Room {
    values: usize,
    text: usize,
}

impl Room {
    fn object(
        &mut self,
        value: &Value,
        depth: usize,
    ) -> Result<Vec<(Arc<str>, Json)>, MalformedDecision> {
        let depth = depth.checked_sub(1).ok_or(Rule::TooDeep(MAX_DEPTH))?;
        let mut fields = Vec::new();
        for (name, value) in entries(value) {
            let name = self.take(Arc::from(key(name)?))?;
            let value = self.json(value, depth).map_err(|e| e.below(&name))?;
            fields.push((name, value));
        }
        Ok(fields)
    }

    fn json(&mut self, value: &Value, depth: usize) -> Result<Json, MalformedDecision> {
        self.values = self
            .values
            .checked_sub(1)
            .ok_or(Rule::TooMany(MAX_VALUES))?;
        Ok(match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(_) => Json::Number(double(value).ok_or(Rule::NumberRange)?),
            Value::String(text) => Json::String(self.take(Arc::clone(text))?),
            Value::Array(_) | Value::Set(_) => {
                let depth = depth.checked_sub(1).ok_or(Rule::TooDeep(MAX_DEPTH))?;
                let mut list = Vec::new();
                for (index, item) in items(value).into_iter().flatten().enumerate() {
                    list.push(self.json(item, depth).map_err(|e| e.at_index(index))?);
                }
                Json::List(list)
            }
            Value::Object(_) => Json::Object(self.object(value, depth)?),
            Value::Undefined => return Err(wrong_type("a JSON value", value).into()),
        })
    }

    fn take(&mut self, text: Arc<str>) -> Result<Arc<str>, Rule> {
        self.text = self
            .text
            .checked_sub(text.len())
            .ok_or(Rule::TooLong(MAX_TEXT_BYTES))?;
        Ok(text)
    }
}

/// The nearest double. Integers of more than 128 bits are refused rather than converted: printing
/// them costs time that grows with the square of their length.
fn double(value: &Value) -> Option<f64> {
    let Value::Number(number) = value else {
        return None;
    };
    number.as_f64().or_else(|| {
        let integer = match (number.as_i128(), number.as_u128()) {
            (Some(integer), _) => integer.to_string(),
            (None, Some(integer)) => integer.to_string(),
            (None, None) => return None,
        };
        integer.parse().ok()
    })
}
