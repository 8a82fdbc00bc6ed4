//! YAML into values, bounded: an alias repeats what it names, so that a few lines can mean gigabytes.

use std::{cell::Cell, collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::input::Value;

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidYaml {
    /// It is no YAML, or none that JSON can express.
    #[error("malformed YAML")]
    Malformed,
    /// It may be, and is not read to its end.
    #[error("YAML: {0}")]
    Excess(String),
}

/// Reads one YAML document that takes at most `most` bytes.
pub(super) fn parse(text: &[u8], most: usize) -> Result<Value, InvalidYaml> {
    let left = Cell::new(most);
    let value = Bounded(&left).deserialize(yaml_serde::Deserializer::from_slice(text));
    value.map_err(|error| {
        // The library has no other way to tell its errors apart.
        let error = error.to_string();
        let excess = EXCESSES.into_iter().find(|excess| error.contains(excess));
        excess.map_or(InvalidYaml::Malformed, |excess| {
            InvalidYaml::Excess(excess.to_owned())
        })
    })
}

/// Builds values while there are bytes left.
#[derive(Clone, Copy)]
struct Bounded<'l>(&'l Cell<usize>);

impl Bounded<'_> {
    fn take<E: Error>(self, text: usize) -> Result<(), E> {
        let needed = text.saturating_add(VALUE);
        let left = self.0.get().checked_sub(needed);
        self.0.set(left.ok_or_else(|| E::custom(TOO_LARGE))?);
        Ok(())
    }

    fn scalar<E: Error>(self, value: impl Into<Value>) -> Result<Value, E> {
        self.take(0)?;
        Ok(value.into())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML that JSON can express")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if value.is_finite() {
            self.scalar(value)
        } else {
            Err(E::custom("not a number of JSON"))
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.take(value.len())?;
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.take(0)?;
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.take(0)?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.take(0)?;
        let mut fields = BTreeMap::new();
        while let Some(key) = entries.next_key_seed(self)? {
            let key = match key {
                Value::String(_) => key,
                // As JSON has it: every key is a text.
                Value::Null | Value::Bool(_) | Value::Number(_) => key.to_string().into(),
                Value::Array(_) | Value::Set(_) | Value::Object(_) | Value::Undefined => {
                    return Err(A::Error::custom("a key that is no scalar"));
                }
            };
            fields.insert(key, entries.next_value_seed(self)?);
        }
        Ok(fields.into())
    }
}

/// What a value takes besides its text, in bytes.
const VALUE: usize = 64;
const TOO_LARGE: &str = "it grows beyond its bound";
/// What a reader without bounds would read.
const EXCESSES: [&str; 4] = [
    TOO_LARGE,
    "recursion limit exceeded",
    "repetition limit exceeded",
    "more than one document",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn json(yaml: &str) -> Option<String> {
        let value = parse(yaml.as_bytes(), 10_000).ok()?;
        Some(serde_json::to_string(&value).unwrap())
    }

    #[test]
    fn yaml_becomes_what_json_can_express() {
        for (yaml, want) in [
            (
                "a: 1\nb: [x, 1.5, true, null]\n",
                Some(r#"{"a":1,"b":["x",1.5,true,null]}"#),
            ),
            ("1: a\ntrue: b\n", Some(r#"{"1":"a","true":"b"}"#)),
            ("- &a x\n- *a\n", Some(r#"["x","x"]"#)),
            ("text", Some(r#""text""#)),
            ("? [a]\n: b\n", None),
            (".inf", None),
            ("a: [", None),
            ("a: 1\n---\nb: 2\n", None),
        ] {
            assert_eq!(json(yaml).as_deref(), want, "{yaml}");
        }
    }

    #[test]
    fn aliases_grow_to_the_bound_and_no_further() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (at, name) in "bcdefgh".char_indices() {
            let last = "abcdefgh".chars().nth(at).unwrap();
            let row = [format!("*{last}").as_str(); 9].join(", ");
            bomb.extend([format!("{name}: &{name} [{row}]\n")]);
        }
        let grown = parse(bomb.as_bytes(), 1 << 20);
        assert!(matches!(grown, Err(InvalidYaml::Excess(_))), "{grown:?}");
        assert!(parse(b"a: &a [x, x]\nb: [*a, *a]\n", 1 << 20).is_ok());
    }

    #[test]
    fn what_a_reader_without_bounds_would_read_is_not_called_malformed() {
        let nested = |depth: usize| [&*"[".repeat(depth), &*"]".repeat(depth)].concat();
        for (yaml, excess) in [
            (nested(200), true),
            (nested(20), false),
            ("a: 1\n---\nb: 2\n".to_owned(), true),
            ("a: [".to_owned(), false),
        ] {
            let read = parse(yaml.as_bytes(), 10_000);
            let is = matches!(read, Err(InvalidYaml::Excess(_)));
            assert_eq!(is, excess, "{yaml}: {read:?}");
        }
    }
}
