//! What is equal is kept once: keys, short texts and small trees that come again and again.
//!
//! Bounded: when it holds as much as it may it forgets all of it and starts anew, which costs a few
//! copies and nothing else. Exact: two values are one only when nobody could tell them apart, which
//! `1` and `1.0` are not although they are equal.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::mem::discriminant;
use std::sync::Arc;

use regorus::{LimitError, Value};

/// A value, with the hash of what it holds.
pub(super) struct Kept {
    pub(super) value: Value,
    pub(super) hash: u64,
}

/// What may come again while one document is read.
#[derive(Default)]
pub(super) struct Pool {
    /// Seeded anew for each document, so that nobody can choose what collides.
    hasher: RandomState,
    texts: HashMap<u64, Value>,
    trees: HashMap<u64, Value>,
    admitted: u32,
}

impl Pool {
    /// Arrays and objects of more children are not expected to come again.
    pub(super) const MOST_CHILDREN: usize = 64;

    /// Counts a value that is about to come: the process must have room for it.
    pub(super) fn admit(&mut self) -> Result<(), LimitError> {
        self.admitted = self.admitted.wrapping_add(1);
        if self.admitted.is_multiple_of(VALUES_PER_LOOK) {
            regorus::enforce_memory_limit()?;
        }
        Ok(())
    }

    pub(super) fn hash(&self, content: impl Hash) -> u64 {
        self.hasher.hash_one(content)
    }

    /// `text`, shared with `last` or with where it came before.
    pub(super) fn text(&mut self, text: &str, last: Option<&Value>) -> Kept {
        let hash = self.hash(text);
        let is_it =
            |value: &&Value| matches!(value, Value::String(known) if known.as_ref() == text);
        let known = last
            .filter(is_it)
            .or_else(|| self.texts.get(&hash).filter(is_it));
        if let Some(value) = known {
            let value = value.clone();
            return Kept { value, hash };
        }
        let value = Value::from(text);
        if text.len() <= MOST_BYTES {
            remember(&mut self.texts, hash, &value);
        }
        Kept { value, hash }
    }

    /// `text` that is not expected to come again.
    pub(super) fn single_text(&self, text: &str) -> Kept {
        Kept {
            value: Value::from(text),
            hash: self.hash(text),
        }
    }

    /// `value`, an array or an object, or what came before and cannot be told from it.
    pub(super) fn tree(&mut self, value: Value, hash: u64) -> Kept {
        match self.trees.get(&hash) {
            Some(known) if same_children(known, &value) => {
                let value = known.clone();
                return Kept { value, hash };
            }
            Some(_) | None => {}
        }
        if children(&value) <= Self::MOST_CHILDREN {
            remember(&mut self.trees, hash, &value);
        }
        Kept { value, hash }
    }
}

fn remember(known: &mut HashMap<u64, Value>, hash: u64, value: &Value) {
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    known.insert(hash, value.clone());
}

fn children(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(entries) => entries.len(),
        Value::Set(items) => items.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => 0,
    }
}

/// Whether the children of two values are the same, one by one.
fn same_children(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => same_items(left.iter(), right.iter()),
        (Value::Object(left), Value::Object(right)) => same_items(
            left.iter_sorted().flat_map(|(key, value)| [key, value]),
            right.iter_sorted().flat_map(|(key, value)| [key, value]),
        ),
        _ => false,
    }
}

/// Whether both give [`same`] values.
pub(super) fn same_items<'v>(
    left: impl Iterator<Item = &'v Value>,
    mut right: impl Iterator<Item = &'v Value>,
) -> bool {
    for left in left {
        if !right.next().is_some_and(|right| same(left, right)) {
            return false;
        }
    }
    right.next().is_none()
}

/// Whether nobody could tell the two apart; trees are told apart unless they are one and the same.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => Arc::ptr_eq(left, right),
        (Value::Object(left), Value::Object(right)) => Arc::ptr_eq(left, right),
        (Value::Set(left), Value::Set(right)) => Arc::ptr_eq(left, right),
        (Value::Number(left), Value::Number(right)) => {
            // `1` and `1.0`, `0.0` and `-0.0` are equal and written differently.
            discriminant(left) == discriminant(right)
                && left == right
                && left.is_positive() == right.is_positive()
        }
        _ => left == right,
    }
}

/// How many values come between two looks at the memory of the process.
const VALUES_PER_LOOK: u32 = 256;

/// Longer texts are not expected to come again.
const MOST_BYTES: usize = 64;

/// How many texts, and how many trees, are known at once: some ten megabytes each.
const MOST_KNOWN: usize = 1 << 18;
