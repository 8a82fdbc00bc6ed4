//! Counts what a document grows to while serde reads it, and ends the reading where that is too much.
//!
//! Wraps a deserializer: every value and every string on its way to the reader is charged first.
//! YAML keys that are numbers or truth values become strings on the way, as OPA has them.

use std::fmt;

use regorus::Value;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::compact::Document;

/// What documents may still grow to, in bytes as they are estimated: [`VALUE_BYTES`] for each
/// value, and the length of each string.
#[derive(Debug)]
pub(in crate::policy) struct Budget {
    limit: u64,
    left: u64,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub(in crate::policy) fn new(limit: u64) -> Self {
        Self { limit, left: limit }
    }

    /// Reads one value within the budget, shared with `last` where they are equal.
    pub(super) fn seed<'de>(
        &mut self,
        last: Option<&Value>,
    ) -> impl DeserializeSeed<'de, Value = Value> {
        Charged {
            budget: self,
            keys: false,
            inner: Document::after(last),
        }
    }

    /// As [`seed`](Self::seed), with keys made strings.
    pub(super) fn yaml_seed<'de>(
        &mut self,
        last: Option<&Value>,
    ) -> impl DeserializeSeed<'de, Value = Value> {
        Charged {
            budget: self,
            keys: true,
            inner: Document::after(last),
        }
    }

    fn charge<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let left = self.left.checked_sub(bytes.saturating_add(VALUE_BYTES));
        self.left = left.ok_or_else(|| {
            E::custom(format_args!(
                "the data grows beyond {} bytes of memory",
                self.limit
            ))
        })?;
        Ok(())
    }
}

/// A seed, deserializer, visitor or access of serde with the budget that it is charged to.
struct Charged<'b, T> {
    budget: &'b mut Budget,
    /// Whether keys are made strings.
    keys: bool,
    inner: T,
}

/// The same around a map's key.
struct Key<'b, T> {
    budget: &'b mut Budget,
    inner: T,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Charged<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Charged {
            budget: self.budget,
            keys: self.keys,
            inner: deserializer,
        })
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Charged<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Charged {
            budget: self.budget,
            keys: self.keys,
            inner: visitor,
        })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

macro_rules! charged {
    ($($visit:ident: $kind:ty => $bytes:expr;)*) => {
        $(fn $visit<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            let bytes: fn(&$kind) -> usize = $bytes;
            self.budget.charge(bytes(&value))?;
            self.inner.$visit(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Charged<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    charged! {
        visit_bool: bool => |_| 0;
        visit_i64: i64 => |_| 0;
        visit_i128: i128 => |_| 0;
        visit_u64: u64 => |_| 0;
        visit_u128: u128 => |_| 0;
        visit_f64: f64 => |_| 0;
        visit_str: &str => |text| text.len();
        visit_borrowed_str: &'de str => |text| text.len();
        visit_string: String => String::len;
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.budget.charge(0)?;
        self.inner.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.budget.charge(0)?;
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Charged {
            budget: self.budget,
            keys: self.keys,
            inner: deserializer,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.budget.charge(CONTAINER_BYTES)?;
        self.inner.visit_seq(Charged {
            budget: self.budget,
            keys: self.keys,
            inner: access,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.budget.charge(CONTAINER_BYTES)?;
        self.inner.visit_map(Charged {
            budget: self.budget,
            keys: self.keys,
            inner: access,
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<V::Value, A::Error> {
        Err(A::Error::custom("tags have no meaning in data"))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Charged<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.inner.next_element_seed(Charged {
            budget: &mut *self.budget,
            keys: self.keys,
            inner: seed,
        })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Charged<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let budget = &mut *self.budget;
        if self.keys {
            return self.inner.next_key_seed(Key {
                budget,
                inner: seed,
            });
        }
        self.inner.next_key_seed(Charged {
            budget,
            keys: false,
            inner: seed,
        })
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(Charged {
            budget: &mut *self.budget,
            keys: self.keys,
            inner: seed,
        })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Key {
            budget: self.budget,
            inner: deserializer,
        })
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Key<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Key {
            budget: self.budget,
            inner: visitor,
        })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Other keys than these (null, fractions, lists) are refused by what serde does by default.
impl<'de, V: Visitor<'de>> Visitor<'de> for Key<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a whole number or a truth value as a key")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<V::Value, E> {
        self.visit_string(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<V::Value, E> {
        self.visit_string(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<V::Value, E> {
        self.visit_string(value.to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        self.budget.charge(value.len())?;
        self.inner.visit_str(value)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<V::Value, E> {
        self.budget.charge(value.len())?;
        self.inner.visit_string(value)
    }
}

/// A value in an array or object: twice, because an object is built before it is packed.
const VALUE_BYTES: u64 = 48;

/// An array or object besides what is in it.
const CONTAINER_BYTES: usize = 48;
