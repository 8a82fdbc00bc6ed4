//! The document of a decision log record, as a policy saw it.
//!
//! A record has each key of the schema in the reference's spelling, `metadataContext`; policies may as
//! well read `metadata_context`. What the request itself names (headers, labels, claims) has one
//! spelling and is left alone.

use regorus::Value;

use super::select::{snake_case, text};

/// What stands below a key of the schema.
#[derive(Clone, Copy)]
enum Below {
    /// Nothing that the schema names.
    Anything,
    /// An object with these keys.
    Object(&'static [(&'static str, Below)]),
    /// Objects with these keys, in a list or under keys of the request.
    Each(&'static [(&'static str, Below)]),
}

/// `input` with both spellings of every key of the schema.
#[must_use]
pub fn restore(input: &Value) -> Value {
    restored(input, &Below::Object(DOCUMENT))
}

fn restored(value: &Value, below: &Below) -> Value {
    match (below, value) {
        (Below::Object(keys), Value::Object(fields)) => {
            let mut value = Value::new_object();
            let Ok(both) = value.as_object_mut() else {
                return value;
            };
            for (key, field) in fields.iter() {
                let name = key.as_string().map(AsRef::as_ref).unwrap_or_default();
                let known = keys.iter().find(|(known, _)| *known == name);
                let Some((camel, below)) = known else {
                    both.insert(key.clone(), field.clone());
                    continue;
                };
                let field = restored(field, below);
                both.insert(text(&snake_case(camel)), field.clone());
                both.insert(key.clone(), field);
            }
            value
        }
        (Below::Each(keys), Value::Array(items)) => {
            let items = items
                .iter()
                .map(|item| restored(item, &Below::Object(keys)));
            Value::from(items.collect::<Vec<Value>>())
        }
        (Below::Each(keys), Value::Object(fields)) => {
            let mut value = Value::new_object();
            if let Ok(each) = value.as_object_mut() {
                for (key, field) in fields.iter() {
                    each.insert(key.clone(), restored(field, &Below::Object(keys)));
                }
            }
            value
        }
        (Below::Anything | Below::Object(_) | Below::Each(_), _) => value.clone(),
    }
}

/// The keys with two spellings, and those on the way to them.
const DOCUMENT: &[(&str, Below)] = &[("attributes", Below::Object(ATTRIBUTES))];

const ATTRIBUTES: &[(&str, Below)] = &[
    ("source", Below::Object(PEER)),
    ("destination", Below::Object(PEER)),
    ("request", Below::Object(&[("http", Below::Object(HTTP))])),
    ("contextExtensions", Below::Anything),
    ("metadataContext", Below::Object(METADATA)),
    ("routeMetadataContext", Below::Object(METADATA)),
    ("tlsSession", Below::Anything),
];

const PEER: &[(&str, Below)] = &[("address", Below::Object(ADDRESS))];

const ADDRESS: &[(&str, Below)] = &[
    (
        "socketAddress",
        Below::Object(&[
            ("portValue", Below::Anything),
            ("namedPort", Below::Anything),
            ("resolverName", Below::Anything),
            ("ipv4Compat", Below::Anything),
            ("networkNamespaceFilepath", Below::Anything),
        ]),
    ),
    (
        "envoyInternalAddress",
        Below::Object(&[
            ("serverListenerName", Below::Anything),
            ("endpointId", Below::Anything),
        ]),
    ),
];

const HTTP: &[(&str, Below)] = &[
    (
        "headerMap",
        Below::Object(&[("headers", Below::Each(&[("rawValue", Below::Anything)]))]),
    ),
    ("rawBody", Below::Anything),
];

const METADATA: &[(&str, Below)] = &[
    ("filterMetadata", Below::Anything),
    (
        "typedFilterMetadata",
        Below::Each(&[("typeUrl", Below::Anything)]),
    ),
];

#[cfg(test)]
mod tests;
