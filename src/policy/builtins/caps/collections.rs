//! Caps on functions of arrays, sets and objects.

use std::collections::BTreeSet;

use regorus::Value;

use super::{
    Instead, MAX_BITS, MAX_DEPTH, MAX_ELEMENTS, MAX_ITEMS, elements, excess, length, pairs, plain,
    size, size_within,
};

/// How many paths `json.filter` and `json.remove` take.
const MAX_PATHS: usize = 1_000;

/// Functions that take one look at each element and keep what is in it as it is.
pub(in crate::policy::builtins) fn items(arguments: &[Value]) -> Result<(), Instead> {
    elements(arguments.iter().map(length).sum(), MAX_ITEMS)?;
    scalars(arguments)
}

/// The same where an object is built anew.
pub(in crate::policy::builtins) fn keys(arguments: &[Value]) -> Result<(), Instead> {
    elements(arguments.iter().map(length).sum(), MAX_ELEMENTS)?;
    scalars(arguments)
}

/// What is no collection is at most written into an error.
fn scalars(arguments: &[Value]) -> Result<(), Instead> {
    let mut rest = arguments.iter().filter(|value| length(value) == 0);
    rest.try_for_each(|value| plain(std::slice::from_ref(value)))
}

/// `sum`, `max`, `min`.
pub(in crate::policy::builtins) fn folded(arguments: &[Value]) -> Result<(), Instead> {
    size_within(arguments, MAX_ITEMS).map(drop)
}

/// `product(numbers)`.
pub(in crate::policy::builtins) fn product(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let bits = |value: &Value| match value {
        Value::Number(number) if number.is_integer() => number.as_big().map_or(0, |big| big.bits()),
        Value::Number(_)
        | Value::Null
        | Value::Bool(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Set(_)
        | Value::Object(_)
        | Value::Undefined => 0,
    };
    let sum: u64 = match arguments {
        [Value::Array(numbers)] => numbers.iter().map(bits).sum(),
        [Value::Set(numbers)] => numbers.iter().map(bits).sum(),
        _ => 0,
    };
    if sum > MAX_BITS {
        return excess("a product of", sum, MAX_BITS, "bits");
    }
    Ok(())
}

/// `union(sets)`: regorus copies the result once for each set.
pub(in crate::policy::builtins) fn union(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [Value::Set(sets)] = arguments else {
        return Ok(());
    };
    let mut all = BTreeSet::new();
    for set in sets.iter() {
        let Value::Set(set) = set else {
            return Ok(());
        };
        all.extend(set.iter().cloned());
    }
    Err(Instead::Answer(Value::from(all)))
}

/// `object.get(object, key, default)` looks at what is on the way and nothing else.
pub(in crate::policy::builtins) fn looked_up(arguments: &[Value]) -> Result<(), Instead> {
    match arguments {
        [Value::Object(_), ..] => Ok(()),
        _ => plain(arguments),
    }
}

/// `object.union_n(objects)`: regorus copies the result once for each object.
pub(in crate::policy::builtins) fn union_n(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [Value::Array(objects)] = arguments else {
        return Ok(());
    };
    if !objects
        .iter()
        .all(|object| matches!(object, Value::Object(_)))
    {
        return Ok(());
    }
    let mut all = Value::new_object();
    for object in objects.iter() {
        merge(&mut all, object);
    }
    Err(Instead::Answer(all))
}

/// Puts the fields of `from` into `into`; objects on both sides are merged.
fn merge(into: &mut Value, from: &Value) {
    let (Ok(fields), Value::Object(from)) = (into.as_object_mut(), from) else {
        return;
    };
    for (key, value) in from.iter() {
        match fields.get_mut(key) {
            Some(old @ Value::Object(_)) if matches!(value, Value::Object(_)) => merge(old, value),
            Some(old) => *old = value.clone(),
            None => {
                fields.insert(key.clone(), value.clone());
            }
        }
    }
}

/// `object.subset(whole, part)`: an empty array is a part of every array.
pub(in crate::policy::builtins) fn subset(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    match arguments {
        [whole, part] => Err(Instead::Answer(Value::from(contains(whole, part)?))),
        _ => Ok(()),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "everything else is compared as it is"
)]
fn contains(whole: &Value, part: &Value) -> Result<bool, Instead> {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, part) in part.iter() {
                match whole.get(key) {
                    Some(whole) if contains(whole, part)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Set(whole), Value::Set(part)) => Ok(part.iter().all(|one| whole.contains(one))),
        (Value::Array(_), Value::Array(part)) if part.is_empty() => Ok(true),
        (Value::Array(whole), Value::Array(part)) => {
            pairs(whole.len(), part.len())?;
            let mut runs = whole.as_slice().windows(part.len());
            Ok(runs.any(|run| run == part.as_slice()))
        }
        (Value::Array(whole), Value::Set(part)) => {
            let whole: BTreeSet<&Value> = whole.iter().collect();
            Ok(part.iter().all(|one| whole.contains(one)))
        }
        (whole, part) => Ok(whole == part),
    }
}

/// `json.filter(object, paths)` and `json.remove`.
pub(in crate::policy::builtins) fn paths(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [_, paths] = arguments else {
        return Ok(());
    };
    elements(length(paths), MAX_PATHS)?;
    let deep = |path: &Value| match path {
        Value::String(path) => path.matches('/').count(),
        Value::Array(path) => path.len(),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Set(_)
        | Value::Object(_)
        | Value::Undefined => 0,
    };
    let depths: Vec<usize> = match paths {
        Value::Array(paths) => paths.iter().map(deep).collect(),
        Value::Set(paths) => paths.iter().map(deep).collect(),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Undefined => Vec::new(),
    };
    elements(depths.iter().sum(), MAX_ELEMENTS)?;
    match depths.into_iter().max() {
        Some(deepest) if deepest > MAX_DEPTH => excess("a path of", deepest, MAX_DEPTH, "steps"),
        Some(_) | None => Ok(()),
    }
}

/// `json.patch(document, operations)`: an operation may copy the whole of what the one before it
/// made.
pub(in crate::policy::builtins) fn patch(arguments: &[Value]) -> Result<(), Instead> {
    let all = size(arguments)?;
    let [_, Value::Array(operations)] = arguments else {
        return Ok(());
    };
    let copies = operations
        .iter()
        .filter(|operation| {
            let Value::Object(fields) = operation else {
                return false;
            };
            fields.get(&Value::from("op")) == Some(&Value::from("copy"))
        })
        .count();
    let grown = |size: usize| {
        let times = u32::try_from(copies)
            .ok()
            .and_then(|copies| 1_usize.checked_shl(copies));
        size.saturating_mul(times.unwrap_or(usize::MAX))
    };
    // Each value that is put in may go below the one before.
    let depth = operations
        .iter()
        .map(|operation| size(std::slice::from_ref(operation)).map_or(0, |size| size.depth))
        .fold(all.depth, usize::saturating_add);
    if grown(depth) > MAX_DEPTH.saturating_mul(4) {
        return Err(Instead::Excess(
            "the operations may nest too deep".to_owned(),
        ));
    }
    elements(grown(all.elements), MAX_ITEMS)?;
    pairs(all.elements, operations.len())
}
