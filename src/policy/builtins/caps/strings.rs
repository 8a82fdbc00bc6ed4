//! Caps on functions of text.

use regorus::Value;

use super::{Refusal, Size};

/// A padding or precision of `sprintf`.
const MAX_WIDTH: usize = 4_096;

/// `sprintf(format, arguments)`.
pub(in crate::policy::builtins) fn sprintf(arguments: &[Value]) -> Result<(), Refusal> {
    let Size { text, .. } = super::size(arguments)?;
    let [Value::String(format), Value::Array(_)] = arguments else {
        return Ok(());
    };
    let padding = padding(format)?;
    super::text(text.saturating_add(padding))
}

/// What the widths and precisions of `format` add up to.
fn padding(format: &str) -> Result<usize, Refusal> {
    let mut sum: usize = 0;
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' || rest.next_if_eq(&'%').is_some() {
            continue;
        }
        rest.next_if_eq(&'.');
        let mut width: usize = 0;
        while let Some(digit) = rest.next_if(|c| c.is_numeric()) {
            let Some(digit) = digit.to_digit(10).and_then(|digit| digit.try_into().ok()) else {
                return Err(Refusal::Error("a width is written in the digits 0 to 9"));
            };
            width = width.saturating_mul(10).saturating_add(digit);
        }
        if width > MAX_WIDTH {
            return Err(Refusal::Excess(format!(
                "a width or precision of {width}, more than {MAX_WIDTH}"
            )));
        }
        rest.next();
        sum = sum.saturating_add(width);
    }
    Ok(sum)
}

/// `replace(text, old, new)`.
pub(in crate::policy::builtins) fn replace(arguments: &[Value]) -> Result<(), Refusal> {
    super::size(arguments)?;
    let [Value::String(text), Value::String(old), Value::String(new)] = arguments else {
        return Ok(());
    };
    super::text(replaced(text, old, new))
}

/// The length of `text` when each `old` in it is `new`.
fn replaced(text: &str, old: &str, new: &str) -> usize {
    let count = text.matches(old).count();
    let growth = new.len().saturating_sub(old.len());
    text.len().saturating_add(count.saturating_mul(growth))
}

/// `concat(delimiter, texts)`.
pub(in crate::policy::builtins) fn concat(arguments: &[Value]) -> Result<(), Refusal> {
    let Size { text, elements, .. } = super::size(arguments)?;
    let [Value::String(delimiter), _] = arguments else {
        return Ok(());
    };
    super::text(text.saturating_add(delimiter.len().saturating_mul(elements)))
}

/// `split(text, delimiter)`.
pub(in crate::policy::builtins) fn split(arguments: &[Value]) -> Result<(), Refusal> {
    super::size(arguments)?;
    let [Value::String(text), Value::String(delimiter)] = arguments else {
        return Ok(());
    };
    if delimiter.is_empty() {
        return super::elements(text.chars().count());
    }
    super::elements(text.matches(delimiter.as_ref()).count())
}

/// Any function whose result is about as long as its arguments.
pub(in crate::policy::builtins) fn plain(arguments: &[Value]) -> Result<(), Refusal> {
    super::size(arguments).map(drop)
}
