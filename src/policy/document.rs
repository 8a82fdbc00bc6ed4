//! One JSON or YAML document, read into a value within a budget of memory.
//!
//! A few bytes of text can stand for many values (`[[],[],…]`, an alias in YAML), so that what a
//! document grows to is counted while it is read, not only how long its text is. Nesting ends at
//! 128 levels, which is where both parsers stop.

mod budget;
mod compact;
mod pool;

use std::io::{BufReader, Read};

use regorus::Value;
use serde::de::DeserializeSeed as _;

use super::diagnostic::Diagnostic;
pub(super) use budget::Budget;

/// Reads one document; the name decides between JSON and YAML. What is equal in `last`, which stood
/// in its place before, is shared with it.
pub(super) fn parse(
    file: &str,
    bytes: &[u8],
    last: Option<&Value>,
    budget: &mut Budget,
) -> Result<Value, Diagnostic> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Diagnostic::of_file(file, "a data file must be UTF-8"))?;
    if !is_json(file) {
        return yaml(file, text, last, budget);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = budget.seed(last).deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| Diagnostic::in_data(file, place(&error), invalid_json(&error)))
}

/// Reads one JSON document as [`parse`] does, without ever holding more of its text than a buffer.
pub(super) fn stream(
    file: &str,
    source: impl Read,
    last: Option<&Value>,
    budget: &mut Budget,
) -> Result<Value, Diagnostic> {
    let buffered = BufReader::with_capacity(BUFFER, source);
    let mut reader = serde_json::Deserializer::from_reader(buffered);
    let value = budget.seed(last).deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| {
            if error.is_io() {
                Diagnostic::of_file(file, invalid_json(&error))
            } else {
                Diagnostic::in_data(file, place(&error), invalid_json(&error))
            }
        })
}

/// Whether a file of this name holds JSON.
pub(super) fn is_json(file: &str) -> bool {
    super::data::file_extension(file) == Some("json")
}

fn yaml(
    file: &str,
    text: &str,
    last: Option<&Value>,
    budget: &mut Budget,
) -> Result<Value, Diagnostic> {
    if text.len() > MAX_YAML_BYTES {
        return Err(Diagnostic::of_file(
            file,
            format!("a YAML file is at most {MAX_YAML_BYTES} bytes"),
        )
        .hinting("use JSON for large data"));
    }
    let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{'));
    if brackets.count().saturating_mul(text.len()) > MAX_YAML_WORK {
        return Err(
            Diagnostic::of_file(file, "too many brackets for a YAML file of this length")
                .hinting("use JSON for large data"),
        );
    }
    let reader = yaml_serde::Deserializer::from_str(text);
    let value = budget.yaml_seed(last).deserialize(reader);
    value.map_err(|error| {
        let message = format!("invalid YAML: {}", without_place(&error.to_string()));
        match error.location() {
            Some(place) => Diagnostic::in_data(
                file,
                (narrow(place.line()), narrow(place.column())),
                message,
            ),
            None => Diagnostic::of_file(file, message),
        }
    })
}

fn invalid_json(error: &serde_json::Error) -> String {
    format!("invalid JSON: {}", without_place(&error.to_string()))
}

fn place(error: &serde_json::Error) -> (u32, u32) {
    (narrow(error.line()), narrow(error.column()))
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The message alone: the place is shown in our own way.
fn without_place(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or(message)
}

/// How much is read at a time.
const BUFFER: usize = 64 * 1024;

/// An alias in YAML multiplies what it names, so that the text is bounded closer than JSON.
const MAX_YAML_BYTES: usize = 8 << 20;

/// The scanner looks at every open bracket for each token: bytes times brackets bound its work, to
/// about a second.
const MAX_YAML_WORK: usize = 1 << 31;

#[cfg(test)]
mod tests;
