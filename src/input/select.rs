//! What of the document is wanted, compiled once from [`Reads`]: the pieces plans are made of.
//!
//! A [`Slot`] is a key that the protobuf schema gives, in up to two spellings; a [`Pick`] selects
//! keys that the request gives (header names, labels, claims). Both hold their keys as finished
//! values, so that building a document clones pointers instead of copying names. A plan may build
//! more than was asked for, never less.

use std::{borrow::Cow, collections::BTreeMap};

use regorus::{Rc, Value};

use super::Reads;

/// The object that is being put together.
#[derive(Debug, Default)]
pub(super) struct Fields(pub(super) BTreeMap<Value, Value>);

impl From<Fields> for Value {
    fn from(fields: Fields) -> Self {
        Self::from(fields.0)
    }
}

/// A value of the schema: the keys under which it is wanted and what is wanted of it.
#[derive(Debug)]
pub(super) struct Slot<T = ()> {
    camel: Option<Value>,
    snake: Option<Value>,
    pub(super) plan: T,
}

impl<T> Slot<T> {
    /// Compiles the child `camel` of `reads`, whose second spelling is its snake case.
    pub(super) fn new(reads: &Reads, camel: &str, plan: impl FnOnce(&Reads) -> T) -> Self {
        let snake = snake_case(camel);
        let spelled_camel = reads.child(camel);
        if snake == camel {
            return Self {
                camel: spelled_camel.any().then(|| text(camel)),
                snake: None,
                plan: plan(spelled_camel),
            };
        }
        let spelled_snake = reads.child(&snake);
        Self {
            camel: spelled_camel.any().then(|| text(camel)),
            snake: spelled_snake.any().then(|| text(&snake)),
            plan: plan(&union(spelled_camel, spelled_snake)),
        }
    }

    /// Whether the value is wanted at all.
    pub(super) fn wanted(&self) -> bool {
        self.camel.is_some() || self.snake.is_some()
    }

    /// Puts the value under every wanted spelling.
    pub(super) fn put(&self, fields: &mut Fields, value: Value) {
        match (&self.camel, &self.snake) {
            (Some(camel), Some(snake)) => {
                fields.0.insert(camel.clone(), value.clone());
                fields.0.insert(snake.clone(), value);
            }
            (Some(key), None) | (None, Some(key)) => {
                fields.0.insert(key.clone(), value);
            }
            (None, None) => {}
        }
    }

    /// Puts what `value` makes, if it is wanted.
    pub(super) fn put_with(&self, fields: &mut Fields, value: impl FnOnce(&T) -> Value) {
        if self.wanted() {
            self.put(fields, value(&self.plan));
        }
    }

    /// Puts a string, if it is wanted and not empty: protobuf does not tell empty from absent.
    pub(super) fn put_text(&self, fields: &mut Fields, value: &str) {
        if !value.is_empty() && self.wanted() {
            self.put(fields, text(value));
        }
    }
}

impl Slot {
    /// Compiles the child `camel` of `reads`, below which there is nothing to choose.
    pub(super) fn leaf(reads: &Reads, camel: &str) -> Self {
        Self::new(reads, camel, |_| ())
    }
}

/// A selection among keys that come with the request.
#[derive(Debug)]
pub(super) enum Pick {
    /// Every key with all that is under it.
    All,
    /// These keys, sorted.
    Some(Box<[Picked]>),
}

/// One selected key.
#[derive(Debug)]
pub(super) struct Picked {
    key: Rc<str>,
    rest: Pick,
}

impl Pick {
    /// Compiles a selection.
    pub(super) fn new(reads: &Reads) -> Self {
        match reads {
            Reads::Everything => Self::All,
            Reads::Nothing => Self::Some(Box::default()),
            Reads::Keys(keys) => Self::Some(
                keys.iter()
                    .map(|(key, reads)| Picked {
                        key: Rc::from(&**key),
                        rest: Self::new(reads),
                    })
                    .collect(),
            ),
        }
    }

    /// The key as a value and what is wanted under it, if it is wanted.
    pub(super) fn find(&self, key: &str) -> Option<(Value, &Self)> {
        match self {
            Self::All => Some((text(key), &Self::All)),
            Self::Some(picked) => {
                let at = picked.binary_search_by(|p| (*p.key).cmp(key)).ok()?;
                let found = picked.get(at)?;
                Some((Value::String(Rc::clone(&found.key)), &found.rest))
            }
        }
    }

    /// The object of the wanted entries; of equal keys the last counts.
    pub(super) fn object<'e>(&self, entries: impl Iterator<Item = (&'e str, &'e str)>) -> Value {
        let mut fields = Fields::default();
        for (key, value) in entries {
            if let Some((key, _)) = self.find(key) {
                fields.0.insert(key, text(value));
            }
        }
        fields.into()
    }
}

/// A string value.
pub(super) fn text(value: &str) -> Value {
    Value::String(Rc::from(value))
}

/// Everything that either of the two covers.
pub(super) fn union<'r>(one: &'r Reads, other: &'r Reads) -> Cow<'r, Reads> {
    match (one, other) {
        (Reads::Nothing, reads) | (reads, Reads::Nothing) => Cow::Borrowed(reads),
        (Reads::Everything, _) | (_, Reads::Everything) => Cow::Borrowed(&Reads::Everything),
        (Reads::Keys(ones), Reads::Keys(others)) => {
            let mut keys = ones.clone();
            for (key, reads) in others {
                let entry = keys.entry(key.clone()).or_default();
                *entry = union(entry, reads).into_owned();
            }
            Cow::Owned(Reads::Keys(keys))
        }
    }
}

pub(super) fn snake_case(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len().saturating_add(4));
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(paths: &[&[&str]]) -> Reads {
        let mut reads = Reads::default();
        for path in paths {
            reads.add(path.iter().copied());
        }
        reads
    }

    #[test]
    fn camel_case_becomes_the_name_the_schema_has() {
        for (camel, snake) in [
            ("metadataContext", "metadata_context"),
            ("ipv4Compat", "ipv4_compat"),
            ("path", "path"),
            ("parsed_path", "parsed_path"),
        ] {
            assert_eq!(snake_case(camel), snake);
        }
    }

    #[test]
    fn only_the_spellings_that_are_read_are_made() {
        let slot = Slot::leaf(&reads(&[&["raw_body"]]), "rawBody");
        let mut fields = Fields::default();
        slot.put_text(&mut fields, "x");
        assert_eq!(Value::from(fields).to_string(), r#"{"raw_body":"x"}"#);
        assert!(!Slot::leaf(&reads(&[&["body"]]), "rawBody").wanted());
    }

    #[test]
    fn both_spellings_get_what_either_asks_for() {
        let reads = reads(&[&["aB", "c"], &["a_b", "d"]]);
        let slot = Slot::new(&reads, "aB", Pick::new);
        let object = slot
            .plan
            .object([("c", "1"), ("d", "2"), ("e", "3")].into_iter());
        let mut fields = Fields::default();
        slot.put(&mut fields, object);
        assert_eq!(
            Value::from(fields).to_string(),
            r#"{"aB":{"c":"1","d":"2"},"a_b":{"c":"1","d":"2"}}"#
        );
    }

    #[test]
    fn a_union_covers_both_sides_at_every_depth() {
        let one = reads(&[&["a", "b"], &["c"]]);
        let other = reads(&[&["a", "d"], &["c", "e"], &["f"]]);
        let both = union(&one, &other).into_owned();
        assert_eq!(both, reads(&[&["a", "b"], &["a", "d"], &["c"], &["f"]]));
        assert_eq!(*union(&one, &Reads::Nothing), one);
        assert_eq!(*union(&one, &Reads::Everything), Reads::Everything);
    }
}
