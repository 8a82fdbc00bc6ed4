//! YAML into values, bounded: an alias repeats what it names, so that a few lines can mean gigabytes.

use std::{cell::Cell, collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::input::Value;

/// Reads one YAML document that takes at most `most` bytes; nothing if it is none or takes more.
pub(super) fn parse(text: &[u8], most: usize) -> Option<Value> {
    let left = Cell::new(most);
    Bounded(&left)
        .deserialize(yaml_serde::Deserializer::from_slice(text))
        .ok()
}

/// Builds values while there are bytes left.
#[derive(Clone, Copy)]
struct Bounded<'l>(&'l Cell<usize>);

impl Bounded<'_> {
    fn take<E: Error>(self, text: usize) -> Result<(), E> {
        let needed = text.saturating_add(VALUE);
        let left = self.0.get().checked_sub(needed);
        self.0.set(left.ok_or_else(|| E::custom("too large"))?);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn json(yaml: &str) -> Option<String> {
        let value = parse(yaml.as_bytes(), 10_000)?;
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
        assert_eq!(parse(bomb.as_bytes(), 1 << 20), None);
        assert!(parse(b"a: &a [x, x]\nb: [*a, *a]\n", 1 << 20).is_some());
    }
}
