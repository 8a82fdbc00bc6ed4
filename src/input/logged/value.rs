//! Values as JSON text.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use regorus::Value;

use crate::input::jwt_authn;
use crate::redact::{credentials::Redactor, json::Json};

/// Writes a value; what stands under the name of a credential is one.
pub fn write_value(json: &mut Json<'_>, value: &Value) {
    write(json, value, Names::Count);
}

/// Writes the parameters of a query or a form.
pub(super) fn write_parameters(json: &mut Json<'_>, value: &Value) {
    write(json, value, Names::OfParameters);
}

/// Writes a value from which everything has been taken that is not to be shown.
pub fn write_as_is(json: &mut Json<'_>, value: &Value) {
    json.raw(&text_of(value));
}

/// Writes what was verified: names say nothing there, shapes do.
pub(super) fn write_claims(json: &mut Json<'_>, value: &Value) {
    write(json, value, Names::DoNotCount);
}

/// Writes `Metadata` as it was built: the namespace of claims as claims.
pub(super) fn write_metadata(json: &mut Json<'_>, metadata: &Value) {
    let Value::Object(kinds) = metadata else {
        return write_value(json, metadata);
    };
    json.object(|json| {
        for (kind, namespaces) in kinds.iter_sorted() {
            let (Value::String(kind), Value::Object(namespaces)) = (kind, namespaces) else {
                continue;
            };
            let write = if kind.as_ref() == "typedFilterMetadata" {
                write_any
            } else {
                write_namespace
            };
            json.field(kind, |json| {
                json.object(|json| {
                    for (namespace, value) in namespaces.iter_sorted() {
                        write(json, &text_of_key(namespace), value);
                    }
                });
            });
        }
    });
}

fn write_namespace(json: &mut Json<'_>, name: &str, value: &Value) {
    let names = if name == jwt_authn::NAMESPACE {
        Names::DoNotCount
    } else {
        Names::Count
    };
    json.field(name, |json| write(json, value, names));
}

/// A `google.protobuf.Any`: a credential among its bytes would not be seen in their base64.
fn write_any(json: &mut Json<'_>, name: &str, any: &Value) {
    let Value::Object(fields) = any else {
        return json.field(name, |json| write_value(json, any));
    };
    json.field(name, |json| {
        json.object(|json| {
            for (key, value) in fields.iter_sorted() {
                let text = value.as_string().ok();
                let shown = text.and_then(|text| hidden_bytes(json.redactor(), text));
                match shown {
                    Some(shown) => {
                        json.field(&text_of_key(key), |json| json.shown("", Some(shown)));
                    }
                    None => write_field(json, &text_of_key(key), value, Names::Count),
                }
            }
        });
    });
}

fn hidden_bytes(redactor: &Redactor, base64: &str) -> Option<String> {
    let bytes = STANDARD.decode(base64).ok()?;
    redactor.text(&String::from_utf8_lossy(&bytes))?;
    Some(redactor.hash(&bytes))
}

/// Whether anything in the value stands under the name of a credential.
pub(super) fn names_credential(redactor: &Redactor, value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter_sorted().any(|(key, value)| {
            let named = matches!(key, Value::String(key) if redactor.hides(key));
            named || names_credential(redactor, value)
        }),
        Value::Array(items) => items.iter().any(|item| names_credential(redactor, item)),
        Value::Set(items) => {
            let mut items = items.iter_sorted();
            items.any(|item| names_credential(redactor, item))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => {
            false
        }
    }
}

/// Whether names tell what is a credential.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Count,
    OfParameters,
    DoNotCount,
}

fn write(json: &mut Json<'_>, value: &Value, names: Names) {
    match value {
        Value::String(text) => write_text(json, text, names),
        Value::Object(object) => json.object(|json| {
            for (key, value) in object.iter_sorted() {
                write_field(json, &text_of_key(key), value, names);
            }
        }),
        Value::Array(items) => json.list(|json| write_items(json, items.iter(), names)),
        Value::Set(items) => json.list(|json| write_items(json, items.iter_sorted(), names)),
        Value::Null | Value::Undefined => json.raw("null"),
        Value::Bool(true) => json.scalar("true"),
        Value::Bool(false) => json.scalar("false"),
        Value::Number(_) => json.scalar(&text_of(value)),
    }
}

fn write_field(json: &mut Json<'_>, key: &str, value: &Value, names: Names) {
    let hidden = match names {
        Names::Count => json.redactor().hides(key),
        Names::OfParameters => json.redactor().hides_parameter(key),
        Names::DoNotCount => false,
    };
    json.field(key, |json| {
        if hidden {
            json.hidden(|json| write(json, value, names));
        } else {
            write(json, value, names);
        }
    });
}

fn write_items<'v>(json: &mut Json<'_>, items: impl Iterator<Item = &'v Value>, names: Names) {
    for (index, item) in items.enumerate() {
        json.item(index, |json| write(json, item, names));
    }
}

/// A text that is JSON itself is looked into as a body is.
fn write_text(json: &mut Json<'_>, text: &str, names: Names) {
    if names != Names::DoNotCount && text.trim_start().starts_with(['{', '[']) {
        json.body(text);
    } else {
        json.text(text);
    }
}

/// A key; JSON text where it is no string.
fn text_of_key(key: &Value) -> Cow<'_, str> {
    match key {
        Value::String(key) => Cow::Borrowed(key),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Set(_)
        | Value::Object(_)
        | Value::Undefined => Cow::Owned(text_of(key)),
    }
}

/// A value as JSON text.
fn text_of(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
