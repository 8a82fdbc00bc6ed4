//! `mask_decision` as OPA has it: what a policy wants erased from an event or replaced in it.
//!
//! A rule is a path, which is erased, or `{"op": "remove" | "upsert", "path": .., "value": ..}`, below
//! `/input`, `/result` or `/nd_builtin_cache`. A path that is not there is passed over. OPA takes the
//! segments of a path as they are; here `~1` and `~0` are understood besides, as a JSON pointer has
//! them, where there is no key that is written so.

use crate::input::Value;

/// What is wrong with a policy's answer; the event is not shown then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidMask {
    /// The answer is no list.
    #[error("the mask is neither a set nor an array")]
    NotAList,
    /// A rule is neither a string nor an object with these keys.
    #[error("a mask rule is neither a path nor an object with `op` and `path`")]
    NotARule,
    /// The path leads elsewhere.
    #[error("the mask path `{0}` does not begin with `/input`, `/result` or `/nd_builtin_cache`")]
    Path(String),
    /// Neither `remove` nor `upsert`.
    #[error("the mask op `{0}` is not `remove` or `upsert`")]
    Op(String),
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    path: String,
    part: Part,
    /// Below the part.
    segments: Vec<String>,
    op: Op,
}

/// What may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Input,
    Result,
    NdBuiltinCache,
}

#[derive(Clone, Debug, PartialEq)]
enum Op {
    Remove,
    Upsert(Value),
}

/// What of an event may be changed; `None` is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::decision_log) struct Maskable {
    /// `input`.
    pub(super) input: Option<Value>,
    /// `result`.
    pub(super) result: Option<Value>,
    /// `nd_builtin_cache`.
    pub(super) nd_builtin_cache: Option<Value>,
}

/// What was done, in the order of the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::decision_log) struct Done {
    /// Paths that were removed.
    pub(super) erased: Vec<String>,
    /// Paths that were given another value.
    pub(super) masked: Vec<String>,
}

impl Maskable {
    /// The parts of an event.
    pub(super) fn of(event: Value) -> Self {
        let part = |key: &str| event.as_object().ok()?.get(&Value::from(key)).cloned();
        Self {
            input: part("input"),
            result: part("result"),
            nd_builtin_cache: part("nd_builtin_cache"),
        }
    }
}

impl Rule {
    /// Reads a policy's answer.
    pub(super) fn list(answer: &Value) -> Result<Vec<Self>, InvalidMask> {
        match answer {
            Value::Array(rules) => rules.iter().map(Self::read).collect(),
            Value::Set(rules) => rules.iter_sorted().map(Self::read).collect(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)
            | Value::Undefined => Err(InvalidMask::NotAList),
        }
    }

    fn read(rule: &Value) -> Result<Self, InvalidMask> {
        if let Value::String(path) = rule {
            return Self::new(path, Op::Remove);
        }
        let Ok(fields) = rule.as_object() else {
            return Err(InvalidMask::NotARule);
        };
        let text = |key: &str| match fields.get(&Value::from(key)) {
            Some(Value::String(text)) => Ok(text),
            Some(_) | None => Err(InvalidMask::NotARule),
        };
        let op = match text("op")?.as_ref() {
            "remove" => Op::Remove,
            "upsert" => {
                let value = fields.get(&Value::from("value"));
                Op::Upsert(value.cloned().unwrap_or(Value::Null))
            }
            other => return Err(InvalidMask::Op(other.to_owned())),
        };
        Self::new(text("path")?, op)
    }

    fn new(path: &str, op: Op) -> Result<Self, InvalidMask> {
        let refused = || InvalidMask::Path(path.to_owned());
        let mut segments = path.strip_prefix('/').ok_or_else(refused)?.split('/');
        let part = match segments.next() {
            Some("input") => Part::Input,
            Some("result") => Part::Result,
            Some("nd_builtin_cache") => Part::NdBuiltinCache,
            Some(_) | None => return Err(refused()),
        };
        Ok(Self {
            path: path.to_owned(),
            part,
            segments: segments.map(str::to_owned).collect(),
            op,
        })
    }

    fn apply(&self, event: &mut Maskable) -> bool {
        let part = match self.part {
            Part::Input => &mut event.input,
            Part::Result => &mut event.result,
            Part::NdBuiltinCache => &mut event.nd_builtin_cache,
        };
        let Some(value) = part else { return false };
        match (self.segments.split_last(), &self.op) {
            (None, Op::Remove) => {
                *part = None;
                true
            }
            (None, Op::Upsert(new)) => {
                *value = new.clone();
                true
            }
            (Some((last, above)), Op::Remove) => {
                existing(value, above).is_some_and(|parent| remove(parent, last))
            }
            (Some((last, above)), Op::Upsert(new)) => {
                matches!(value, Value::Object(_)) && upsert(value, above, last, new)
            }
        }
    }
}

/// Makes the changes.
pub(super) fn apply(rules: &[Rule], event: &mut Maskable) -> Done {
    let mut done = Done::default();
    for rule in rules {
        if rule.apply(event) {
            let paths = match rule.op {
                Op::Remove => &mut done.erased,
                Op::Upsert(_) => &mut done.masked,
            };
            paths.push(rule.path.clone());
        }
    }
    done
}

/// The value at a path.
fn existing<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, child)
}

fn child<'v>(value: &'v mut Value, segment: &String) -> Option<&'v mut Value> {
    if let Value::Array(_) = value {
        let index = index(segment)?;
        return value.as_array_mut().ok()?.get_mut(index);
    }
    let key = key_in(value, segment)?;
    value.as_object_mut().ok()?.get_mut(&key)
}

fn remove(parent: &mut Value, segment: &str) -> bool {
    if let Value::Array(items) = &*parent {
        let removed = index(segment).filter(|index| *index < items.len());
        if removed.is_some() {
            let left = items.iter().enumerate();
            let left = left.filter(|(at, _)| Some(*at) != removed);
            *parent = Value::from(left.map(|(_, item)| item.clone()).collect::<Vec<_>>());
        }
        return removed.is_some();
    }
    let Some(key) = key_in(parent, segment) else {
        return false;
    };
    let removed = parent.as_object_mut().ok().and_then(|o| o.remove(&key));
    removed.is_some()
}

/// Puts a value, making the objects on the way that are not there.
fn upsert(mut value: &mut Value, above: &[String], last: &str, new: &Value) -> bool {
    for segment in above {
        if matches!(value, Value::Object(_)) && key_in(value, segment).is_none() {
            put(value, segment, Value::new_object());
        }
        let Some(next) = child(value, segment) else {
            return false;
        };
        value = next;
    }
    put(value, last, new.clone())
}

fn put(parent: &mut Value, segment: &str, new: Value) -> bool {
    if let Value::Array(_) = parent {
        let slot = index(segment).and_then(|at| parent.as_array_mut().ok()?.get_mut(at));
        return slot.map(|slot| *slot = new).is_some();
    }
    let key = key_in(parent, segment).unwrap_or_else(|| Value::from(unescaped(segment)));
    let object = parent.as_object_mut();
    object.map(|object| drop(object.insert(key, new))).is_ok()
}

/// The key of an object that a segment means, if it is there.
fn key_in(value: &Value, segment: &str) -> Option<Value> {
    let object = value.as_object().ok()?;
    let keys = [Value::from(segment), Value::from(unescaped(segment))];
    keys.into_iter().find(|key| object.contains_key(key))
}

fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

fn index(segment: &str) -> Option<usize> {
    let digits = segment.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| segment.parse().ok())?
}

#[cfg(test)]
mod tests;
