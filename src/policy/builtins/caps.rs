//! How much one call of a built-in may be asked to do: evaluators look at the clock between calls
//! and never inside one, so that a call must end by itself, within a few milliseconds and megabytes
//! (`docs/compatibility.md` has the table, measured).
//!
//! A check says what is too much, and nothing about arguments of the wrong type: those are for the
//! function itself. Where regorus' function would panic, loop or take the square of what is needed,
//! the check is its own answer.

pub(super) mod collections;
pub(super) mod encodings;
pub(super) mod graphs;
pub(super) mod net;
pub(super) mod numbers;
pub(super) mod patterns;
pub(super) mod schemas;
pub(super) mod strings;

use regorus::Value;

/// Looks at the arguments of a call.
pub(super) type Check = fn(&[Value]) -> Result<(), Instead>;

/// What there is in place of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// Its result.
    Answer(Value),
    /// It would take too much: the evaluation fails.
    Excess(String),
    /// An ordinary error of the function.
    Error(&'static str),
}

/// How many elements one call may take or produce, those inside others included.
pub(super) const MAX_ELEMENTS: usize = 20_000;

/// The same where a function does next to nothing with each.
const MAX_ITEMS: usize = 100_000;

/// How many bytes of text one call may take or produce.
pub(super) const MAX_TEXT: usize = 256 * 1024;

/// How many bytes of text the request of a call may have: more than any configuration lets it send.
const MAX_SENT: usize = 65 * 1024 * 1024;

/// How many pairs of elements or bytes one call may compare.
const MAX_PAIRS: usize = 500_000;

/// How many bits a number may have: whatever writes it out takes the square of their number.
const MAX_BITS: u64 = 16_384;

/// How deep a value may be nested; functions follow it by recursion.
const MAX_DEPTH: usize = 256;

/// How large values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    /// Bytes in strings, and of numbers about as many as they are long when written out.
    text: usize,
    /// Elements, keys and values in collections.
    elements: usize,
    /// Of the most deeply nested part.
    depth: usize,
    /// What the depths of all parts add up to.
    depths: usize,
}

/// The arguments are of a bounded size. It says so at once for what is no collection.
pub(super) fn plain(arguments: &[Value]) -> Result<(), Instead> {
    size(arguments).map(drop)
}

/// A request object is no larger than what may ever be sent, and can be written out as JSON: a key
/// that is a collection is a text in a text, and twice as long with each.
pub(super) fn request(request: &Value) -> Result<(), Instead> {
    measured(std::slice::from_ref(request), MAX_ITEMS, MAX_SENT)?;
    let mut rest = vec![request];
    while let Some(value) = rest.pop() {
        match value {
            Value::Array(items) => rest.extend(items.iter()),
            Value::Set(items) => rest.extend(items.iter()),
            Value::Object(fields) => {
                for (key, value) in fields.iter() {
                    if matches!(key, Value::Array(_) | Value::Set(_) | Value::Object(_)) {
                        return Err(Instead::Excess("a key is a collection".to_owned()));
                    }
                    rest.push(value);
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Undefined => {}
        }
    }
    Ok(())
}

/// The size of `arguments`. Values share their parts, so that a small one can be written out to
/// any length: what is shared counts as often as it occurs, and counting ends where it is too much.
fn size(arguments: &[Value]) -> Result<Size, Instead> {
    size_within(arguments, MAX_ELEMENTS)
}

fn size_within(arguments: &[Value], most: usize) -> Result<Size, Instead> {
    measured(arguments, most, MAX_TEXT)
}

fn measured(arguments: &[Value], most: usize, most_text: usize) -> Result<Size, Instead> {
    let mut size = Size::default();
    let mut rest: Vec<(&Value, usize)> = Vec::new();
    let mut next = arguments.iter();
    while let Some((value, depth)) = rest.pop().or_else(|| next.next().map(|value| (value, 0))) {
        let inner = depth.saturating_add(1);
        size.depth = size.depth.max(depth);
        size.depths = size.depths.saturating_add(inner);
        if depth > MAX_DEPTH {
            return excess("a value is nested", depth, MAX_DEPTH, "deep");
        }
        match value {
            Value::Null | Value::Bool(_) | Value::Undefined => {}
            Value::Number(_) => size.text = size.text.saturating_add(digits(value)?),
            Value::String(text) => size.text = size.text.saturating_add(text.len()),
            Value::Array(items) => {
                size.elements = size.elements.saturating_add(items.len());
                elements(size.elements, most)?;
                rest.extend(items.iter().map(|item| (item, inner)));
            }
            Value::Set(items) => {
                size.elements = size.elements.saturating_add(items.len());
                elements(size.elements, most)?;
                rest.extend(items.iter().map(|item| (item, inner)));
            }
            Value::Object(fields) => {
                size.elements = size.elements.saturating_add(fields.len().saturating_mul(2));
                elements(size.elements, most)?;
                rest.extend(
                    fields
                        .iter()
                        .flat_map(|(key, value)| [(key, inner), (value, inner)]),
                );
            }
        }
        text_within(size.text, most_text)?;
    }
    Ok(size)
}

/// About as many bytes as the number `value` is long when written out.
fn digits(value: &Value) -> Result<usize, Instead> {
    let Value::Number(number) = value else {
        return Ok(0);
    };
    if number.as_i128().is_some() {
        return Ok(I128);
    }
    let Some(big) = number.as_big() else {
        return Ok(F64);
    };
    let bits = big.bits();
    if bits > MAX_BITS {
        return excess("a number of", bits, MAX_BITS, "bits");
    }
    // In base 2, which is the longest.
    Ok(usize::try_from(bits).unwrap_or(usize::MAX))
}

/// The number of elements of a collection, without those inside them.
fn length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Set(items) => items.len(),
        Value::Object(fields) => fields.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => 0,
    }
}

/// `length` bytes of text.
fn text(length: usize) -> Result<(), Instead> {
    text_within(length, MAX_TEXT)
}

fn text_within(length: usize, most: usize) -> Result<(), Instead> {
    if length > most {
        return Err(Instead::Excess(format!("more than {most} bytes of text")));
    }
    Ok(())
}

fn elements(count: usize, most: usize) -> Result<(), Instead> {
    if count > most {
        return Err(Instead::Excess(format!("more than {most} elements")));
    }
    Ok(())
}

fn pairs(left: usize, right: usize) -> Result<(), Instead> {
    if left.saturating_mul(right) > MAX_PAIRS {
        return Err(Instead::Excess(format!(
            "{left} times {right} to compare, more than {MAX_PAIRS}"
        )));
    }
    Ok(())
}

fn excess<T>(
    what: &str,
    count: impl std::fmt::Display,
    most: impl std::fmt::Display,
    unit: &str,
) -> Result<T, Instead> {
    Err(Instead::Excess(format!(
        "{what} {count} {unit}, more than {most}"
    )))
}

/// The longest number of each kind, written out in base 10.
const I128: usize = 40;
const F64: usize = 330;

#[cfg(test)]
mod tests;
