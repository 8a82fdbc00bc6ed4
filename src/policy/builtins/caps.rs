//! How much one call of a built-in may be asked to do: evaluators look at the clock between calls
//! and never inside one, so that a call must end by itself within about 2 ms and a few megabytes.
//!
//! A check says what is too much, and nothing about arguments of the wrong type: those are for the
//! function itself.

pub(super) mod net;
pub(super) mod numbers;
pub(super) mod strings;

use regorus::Value;

/// Looks at the arguments of a call.
pub(super) type Check = fn(&[Value]) -> Result<(), Refusal>;

/// Why a call is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It would take too much: the evaluation fails.
    Excess(String),
    /// The function would loop or panic where it should report an error: this is its error.
    Error(&'static str),
}

/// How many elements one call may take or produce, those inside others included.
pub(super) const MAX_ELEMENTS: usize = 100_000;

/// How many bytes of text one call may take or produce.
pub(super) const MAX_TEXT: usize = 1024 * 1024;

/// How many bits a number may have: whatever writes it out takes the square of their number.
const MAX_BITS: u64 = 16_384;

/// How deep a value may be nested; functions follow it by recursion.
const MAX_DEPTH: usize = 256;

/// How large values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    /// Bytes in strings, and of numbers about as many as they have digits.
    text: usize,
    /// Elements, keys and values in collections.
    elements: usize,
}

/// The size of `arguments`. Values share their parts, so that a small one can be written out to
/// any length: what is shared counts as often as it occurs, and counting ends where it is too much.
fn size(arguments: &[Value]) -> Result<Size, Refusal> {
    let mut size = Size::default();
    let mut rest: Vec<(&Value, usize)> = arguments.iter().map(|value| (value, 0)).collect();
    while let Some((value, depth)) = rest.pop() {
        let inner = depth.saturating_add(1);
        let count = match value {
            Value::Null | Value::Bool(_) | Value::Undefined => 0,
            Value::Number(_) => {
                size.text = size.text.saturating_add(digits(value)?);
                0
            }
            Value::String(text) => {
                size.text = size.text.saturating_add(text.len());
                0
            }
            Value::Array(items) => items.len(),
            Value::Set(items) => items.len(),
            Value::Object(fields) => fields.len().saturating_mul(2),
        };
        size.elements = size.elements.saturating_add(count);
        elements(size.elements)?;
        text(size.text)?;
        if depth > MAX_DEPTH {
            return Err(Refusal::Excess(format!(
                "a value is nested deeper than {MAX_DEPTH}"
            )));
        }
        match value {
            Value::Array(items) => rest.extend(items.iter().map(|item| (item, inner))),
            Value::Set(items) => rest.extend(items.iter().map(|item| (item, inner))),
            Value::Object(fields) => {
                rest.extend(
                    fields
                        .iter()
                        .flat_map(|(key, value)| [(key, inner), (value, inner)]),
                );
            }
            Value::Null
            | Value::Bool(_)
            | Value::Undefined
            | Value::Number(_)
            | Value::String(_) => {}
        }
    }
    Ok(size)
}

fn text(length: usize) -> Result<(), Refusal> {
    if length > MAX_TEXT {
        return Err(Refusal::Excess(format!(
            "more than {MAX_TEXT} bytes of text"
        )));
    }
    Ok(())
}

fn elements(count: usize) -> Result<(), Refusal> {
    if count > MAX_ELEMENTS {
        return Err(Refusal::Excess(format!(
            "more than {MAX_ELEMENTS} elements"
        )));
    }
    Ok(())
}

/// About as many bytes as the number `value` is long when written out.
fn digits(value: &Value) -> Result<usize, Refusal> {
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
        return Err(Refusal::Excess(format!(
            "a number of {bits} bits, more than {MAX_BITS}"
        )));
    }
    // In base 2, which is the longest.
    Ok(usize::try_from(bits).unwrap_or(usize::MAX))
}

/// The longest number of each kind, written out in base 10.
const I128: usize = 40;
const F64: usize = 330;
