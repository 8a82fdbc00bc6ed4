//! Whatever serde reads into values, straight from its source: no second tree beside what comes out.
//!
//! Gives the values that serde gives for [`Value`], in less memory: what is equal is kept once
//! (see [`Pool`]), arrays and objects have no room to grow. Of a key that comes twice the last counts,
//! as in the reference.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::iter::Peekable;

use regorus::Value;
use regorus::value::{Iter, Object};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::pool::{Kept, Pool, same_items};

/// A whole document to come, from any source that has nothing but what JSON has.
pub(super) struct Document<'l> {
    last: Option<&'l Value>,
}

impl<'l> Document<'l> {
    /// One that shares with `last`, which stood in its place before.
    pub(super) fn after(last: Option<&'l Value>) -> Self {
        Self { last }
    }
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        let node = Node {
            pool: &mut Pool::default(),
            last: self.last,
        };
        Ok(node.deserialize(source)?.value)
    }
}

/// One value to come.
struct Node<'p, 'l> {
    pool: &'p mut Pool,
    /// What stood in its place before.
    last: Option<&'l Value>,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Kept;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Kept, D::Error> {
        self.pool.admit().map_err(D::Error::custom)?;
        source.deserialize_any(self)
    }
}

impl Node<'_, '_> {
    fn scalar(self, value: impl Into<Value>, content: impl Hash) -> Kept {
        Kept {
            value: value.into(),
            hash: self.pool.hash(content),
        }
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Kept;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Kept, E> {
        Ok(self.scalar(Value::Null, 'n'))
    }

    fn visit_none<E: Error>(self) -> Result<Kept, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, source: D) -> Result<Kept, D::Error> {
        source.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kept, E> {
        Ok(self.scalar(value, value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Kept, E> {
        Ok(self.scalar(value, ('u', value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Kept, E> {
        Ok(self.scalar(value, ('i', value)))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Kept, E> {
        Ok(self.scalar(value, ('U', value)))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Kept, E> {
        Ok(self.scalar(value, ('I', value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kept, E> {
        if !value.is_finite() {
            return Err(E::custom(format_args!("`{value}` is no number in JSON")));
        }
        Ok(self.scalar(value, ('f', value.to_bits())))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Kept, E> {
        Ok(self.pool.text(text, self.last))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kept, A::Error> {
        let Self { pool, last } = self;
        let before = last.and_then(|last| last.as_array().ok());
        let mut values = Vec::new();
        let mut hashes = Vec::new();
        loop {
            let node = Node {
                pool: &mut *pool,
                last: before.and_then(|before| before.get(values.len())),
            };
            let Some(item) = items.next_element_seed(node)? else {
                break;
            };
            values.push(item.value);
            if hashes.len() <= Pool::MOST_CHILDREN {
                hashes.push(item.hash);
            }
        }
        let hash = pool.hash(('[', hashes));
        if let (Some(last), Some(before)) = (last, before)
            && same_items(values.iter(), before.iter())
        {
            let value = last.clone();
            return Ok(Kept { value, hash });
        }
        values.shrink_to_fit();
        Ok(pool.tree(Value::from(values), hash))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kept, A::Error> {
        let Self { pool, last } = self;
        let mut fields = Fields {
            entries: Vec::new(),
            ascending: true,
        };
        let object = last.and_then(|last| last.as_object().ok());
        let mut before = object.map(Before::new);
        let mut hash = 0_u64;
        loop {
            let seed = Key {
                pool: &mut *pool,
                fields: &mut fields,
                before: before.as_mut(),
            };
            let Some((key, earlier)) = entries.next_key_seed(seed)? else {
                break;
            };
            let node = Node {
                pool: &mut *pool,
                last: earlier,
            };
            let kept = entries.next_value_seed(node)?;
            // The order of keys means nothing.
            hash ^= pool.hash((key.hash, kept.hash));
            fields.entries.push((key.value, kept.value));
        }
        let entries = fields.sorted();
        let hash = pool.hash(('{', hash));
        if let (Some(last), Some(object)) = (last, object)
            && same_items(
                entries.iter().flat_map(|(key, value)| [key, value]),
                object.iter_sorted().flat_map(|(key, value)| [key, value]),
            )
        {
            let value = last.clone();
            return Ok(Kept { value, hash });
        }
        // Into the form without room to grow; the map is built full, not by inserting.
        let value = Value::from(entries.into_iter().collect::<BTreeMap<_, _>>());
        Ok(pool.tree(value, hash))
    }
}

/// The entries of an object so far.
struct Fields {
    entries: Vec<(Value, Value)>,
    /// Whether each key is greater than the one before.
    ascending: bool,
}

impl Fields {
    fn note(&mut self, key: &str) {
        let previous = self.entries.last().map(|(key, _)| key);
        self.ascending &= previous.is_none_or(|previous| order(previous, key).is_lt());
    }

    /// By key, each once: the last of each.
    fn sorted(self) -> Vec<(Value, Value)> {
        let mut entries = self.entries;
        if !self.ascending {
            entries.reverse();
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            entries.dedup_by(|(later, _), (kept, _)| later == kept);
        }
        entries
    }
}

/// One key to come. Gives it and what stood below it before.
struct Key<'k, 'l> {
    pool: &'k mut Pool,
    fields: &'k mut Fields,
    before: Option<&'k mut Before<'l>>,
}

impl<'de, 'l> DeserializeSeed<'de> for Key<'_, 'l> {
    type Value = (Kept, Option<&'l Value>);

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_str(self)
    }
}

impl<'l> Visitor<'_> for Key<'_, 'l> {
    type Value = (Kept, Option<&'l Value>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.fields.note(text);
        if let Some(before) = self.before {
            if let Some((key, value)) = before.in_step(text) {
                let key = Kept {
                    value: key.clone(),
                    hash: self.pool.hash(text),
                };
                return Ok((key, Some(value)));
            }
            if !self.fields.ascending {
                let key = self.pool.text(text, None);
                let value = before.object.get(&key.value);
                return Ok((key, value));
            }
        }
        // The keys of a large object hardly come again.
        let key = if self.fields.entries.len() < Pool::MOST_CHILDREN {
            self.pool.text(text, None)
        } else {
            self.pool.single_text(text)
        };
        Ok((key, None))
    }
}

/// An object of the last tree, gone through in step with its successor.
struct Before<'l> {
    object: &'l Object,
    /// Behind the greatest key that was asked for.
    rest: Peekable<Iter<'l>>,
}

impl<'l> Before<'l> {
    fn new(object: &'l Object) -> Self {
        Self {
            object,
            rest: object.iter_sorted().peekable(),
        }
    }

    /// The entry of `key`, unless a greater one was asked for before.
    fn in_step(&mut self, key: &str) -> Option<(&'l Value, &'l Value)> {
        while self
            .rest
            .next_if(|(next, _)| order(next, key).is_lt())
            .is_some()
        {}
        self.rest.next_if(|(next, _)| order(next, key).is_eq())
    }
}

/// How a key compares with the text of another.
fn order(key: &Value, text: &str) -> Ordering {
    // A key that is no string has no successor in JSON.
    key.as_string()
        .map_or(Ordering::Less, |key| key.as_ref().cmp(text))
}

#[cfg(test)]
mod tests;
