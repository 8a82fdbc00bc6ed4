//! The shape of a section that is checked but not read: names and types, nothing else.

use serde_json::Value;

use super::problem::{Complaint, Report, join};

/// What a value must look like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Anything: kept by us for nobody, so not looked into.
    Any,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// Text.
    Text,
    /// A list of these.
    List(&'static Self),
    /// Free names, each with one of these.
    Map(&'static Self),
    /// These keys and no others.
    Object(&'static [(&'static str, Self)]),
}

/// Reports everything in `value` that does not fit `shape`; null fits everywhere.
pub(super) fn check(report: &Report, path: &str, shape: &Shape, value: &Value) {
    let wrong = |expected: &str| {
        report.add(path, Complaint::wrong_type(expected, value));
    };
    match (shape, value) {
        (_, Value::Null)
        | (Shape::Any, _)
        | (Shape::Bool, Value::Bool(_))
        | (Shape::Text, Value::String(_)) => {}
        (Shape::Integer, Value::Number(number)) if !number.is_f64() => {}
        (Shape::List(item), Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                check(report, &format!("{path}[{index}]"), item, value);
            }
        }
        (Shape::Map(item), Value::Object(fields)) => {
            for (key, value) in fields {
                check(report, &join(path, key), item, value);
            }
        }
        (Shape::Object(known), Value::Object(fields)) => {
            for (key, value) in fields {
                let path = join(path, key);
                match known.iter().find(|(name, _)| name == key) {
                    Some((_, shape)) => check(report, &path, shape, value),
                    None => report.unknown_key(path, key, known.iter().map(|(name, _)| *name)),
                }
            }
        }
        (Shape::Bool, _) => wrong("a boolean"),
        (Shape::Integer, _) => wrong("an integer"),
        (Shape::Text, _) => wrong("text"),
        (Shape::List(_), _) => wrong("a list"),
        (Shape::Map(_) | Shape::Object(_), _) => wrong("a mapping"),
    }
}
