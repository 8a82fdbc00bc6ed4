//! The text of a configuration file as a tree: YAML 1.2 or JSON, bounded and without ambiguity.
//!
//! Promises that no key is given twice in one mapping, that the tree has at most [`MAX_NODES`]
//! values (aliases count as often as they are used, so they cannot multiply) and at most
//! [`MAX_DEPTH`] levels. YAML merge keys (`<<`) are applied, because OPA applies them.

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{problem::Complaint, value::shown};

/// Parses `text`; JSON when `json`, else YAML. An empty document is an empty mapping.
pub(super) fn parse(text: &str, json: bool) -> Result<Map<String, Value>, Complaint> {
    if text.len() > MAX_BYTES {
        return Err(Complaint::new(format!(
            "more than {MAX_BYTES} bytes after `${{NAME}}` is replaced"
        )));
    }
    let nodes = Cell::new(0);
    let tree = Tree {
        nodes: &nodes,
        depth: 0,
        merge_keys: !json,
    };
    let value = if json {
        let mut reader = serde_json::Deserializer::from_str(text);
        tree.deserialize(&mut reader)
            .and_then(|value| reader.end().map(|()| value))
            .map_err(|error| Complaint::new(format!("not valid JSON: {error}")))?
    } else if text.lines().all(is_blank) {
        Value::Null
    } else {
        tree.deserialize(yaml_serde::Deserializer::from_str(text))
            .map_err(|error| Complaint::new(format!("not valid YAML: {error}")))?
    };
    match value {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Map::new()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Complaint::wrong_type("a mapping", &other))
        }
    }
}

/// Parses each document of a YAML text; empty ones are left out. The bounds hold for all together.
pub(super) fn parse_all(text: &str) -> Result<Vec<Value>, Complaint> {
    let nodes = Cell::new(0);
    let tree = Tree {
        nodes: &nodes,
        depth: 0,
        merge_keys: true,
    };
    let mut documents = Vec::new();
    if text.lines().all(is_blank) {
        return Ok(documents);
    }
    for document in yaml_serde::Deserializer::from_str(text) {
        let value = tree
            .deserialize(document)
            .map_err(|error| Complaint::new(format!("not valid YAML: {error}")))?;
        documents.push(value);
    }
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---"
}

/// Reads one value and counts it.
#[derive(Clone, Copy)]
struct Tree<'n> {
    nodes: &'n Cell<usize>,
    depth: usize,
    merge_keys: bool,
}

impl Tree<'_> {
    fn below(self) -> Self {
        Self {
            depth: self.depth.saturating_add(1),
            ..self
        }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        let nodes = self.nodes.get().saturating_add(1);
        self.nodes.set(nodes);
        if nodes > MAX_NODES {
            return Err(de::Error::custom(format_args!(
                "more than {MAX_NODES} values"
            )));
        }
        if self.depth > MAX_DEPTH {
            return Err(de::Error::custom(format_args!(
                "more than {MAX_DEPTH} levels"
            )));
        }
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value without a tag")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Value, E> {
        Err(E::custom("an integer has more than 64 bits"))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Value, E> {
        Err(E::custom("an integer has more than 64 bits"))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self.below())? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if fields.contains_key(&key) {
                let key = shown(&key);
                return Err(de::Error::custom(format_args!("`{key}` is given twice")));
            }
            let value = access.next_value_seed(self.below())?;
            fields.insert(key, value);
        }
        if self.merge_keys {
            merge(&mut fields).map_err(de::Error::custom)?;
        }
        Ok(Value::Object(fields))
    }
}

/// Applies the YAML merge key: what it names stands behind what the mapping says itself.
fn merge(fields: &mut Map<String, Value>) -> Result<(), &'static str> {
    let sources = match fields.remove("<<") {
        None => return Ok(()),
        Some(Value::Array(sources)) => sources,
        Some(source) => vec![source],
    };
    for source in sources {
        let Value::Object(source) = source else {
            return Err("`<<` takes a mapping or a list of mappings");
        };
        for (key, value) in source {
            fields.entry(key).or_insert(value);
        }
    }
    Ok(())
}

/// Largest configuration file in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// Most values in one configuration.
const MAX_NODES: usize = 100_000;
/// Most levels of nesting; also within what the parsers recurse.
const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[ -~äß€\n]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z .:#]{0,6}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_tree_reads_back_as_it_was_written_as_json_and_as_yaml(value in tree()) {
            let wanted = Map::from_iter([("key".to_owned(), value)]);
            let text = serde_json::to_string(&wanted).unwrap();
            prop_assert_eq!(parse(&text, true), Ok(wanted.clone()));
            prop_assert_eq!(parse(&text, false), Ok(wanted.clone()));
            let text = yaml_serde::to_string(&wanted).unwrap();
            prop_assert_eq!(parse(&text, false), Ok(wanted));
        }

        #[test]
        fn any_text_is_a_tree_or_a_complaint(text in "(?s)[ -~\n\t]{0,200}|.{0,100}") {
            for json in [true, false] {
                if let Err(complaint) = parse(&text, json) {
                    prop_assert!(!complaint.message.is_empty());
                }
            }
        }
    }
}
