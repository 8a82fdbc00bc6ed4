//! Caps on functions of numbers.

use regorus::Value;

use super::{Instead, MAX_BITS, MAX_ITEMS, excess, plain};

/// `numbers.range(from, to)`.
pub(in crate::policy::builtins) fn range(arguments: &[Value]) -> Result<(), Instead> {
    match arguments {
        [from, to] => elements(from, to, 1),
        _ => Ok(()),
    }
}

/// `numbers.range_step(from, to, step)`.
pub(in crate::policy::builtins) fn range_step(arguments: &[Value]) -> Result<(), Instead> {
    let [from, to, step] = arguments else {
        return Ok(());
    };
    match integer(step) {
        Some(step) if step > 0 => elements(from, to, step),
        Some(_) => Err(Instead::Error("the step must be a positive number")),
        None => Ok(()),
    }
}

/// `bits.lsh(number, places)`.
pub(in crate::policy::builtins) fn shift(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    match arguments {
        [Value::Number(_), places] => match places.as_u64() {
            Ok(places) if places > MAX_BITS => excess("a shift by", places, MAX_BITS, "places"),
            Ok(_) | Err(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

fn elements(from: &Value, to: &Value, step: i128) -> Result<(), Instead> {
    if !is_integer(from) || !is_integer(to) {
        return Ok(());
    }
    let count = exact(from)
        .zip(exact(to))
        .and_then(|(from, to)| to.checked_sub(from))
        .and_then(|distance| distance.unsigned_abs().checked_div(step.unsigned_abs()));
    let Some(count) = count else {
        return Err(Instead::Excess(
            "the bounds of the range are too large".to_owned(),
        ));
    };
    let count = count.saturating_add(1);
    if !usize::try_from(count).is_ok_and(|count| count <= MAX_ITEMS) {
        return Err(Instead::Excess(format!(
            "the range has {count} elements, more than {MAX_ITEMS}"
        )));
    }
    Ok(())
}

fn is_integer(value: &Value) -> bool {
    matches!(value, Value::Number(number) if number.is_integer())
}

fn integer(value: &Value) -> Option<i128> {
    if let Value::Number(number) = value {
        return number.as_i128();
    }
    None
}

/// An integer that adding one changes: large floating-point numbers stay what they are.
fn exact(value: &Value) -> Option<i128> {
    let small = |value: &i128| value.unsigned_abs() < 1 << f64::MANTISSA_DIGITS;
    if let Value::Number(number) = value {
        return number
            .as_i128()
            .filter(|value| small(value) || number.as_big().is_some());
    }
    None
}
