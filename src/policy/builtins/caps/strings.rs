//! Caps on functions of text.

use regorus::Value;

use super::{Instead, MAX_ELEMENTS, elements, excess, pairs, size, text};

/// A padding or precision of `sprintf`.
const MAX_WIDTH: usize = 4_096;

/// `sprintf(format, arguments)`.
pub(in crate::policy::builtins) fn sprintf(arguments: &[Value]) -> Result<(), Instead> {
    let size = size(arguments)?;
    let [Value::String(format), Value::Array(_)] = arguments else {
        return Ok(());
    };
    let padding = padding(format)?;
    text(size.text.saturating_add(padding))
}

/// What the widths and precisions of `format` add up to.
fn padding(format: &str) -> Result<usize, Instead> {
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
                return Err(Instead::Error("a width is written in the digits 0 to 9"));
            };
            width = width.saturating_mul(10).saturating_add(digit);
        }
        if width > MAX_WIDTH {
            return excess("a width or precision of", width, MAX_WIDTH, "places");
        }
        rest.next();
        sum = sum.saturating_add(width);
    }
    Ok(sum)
}

/// `replace(text, old, new)`.
pub(in crate::policy::builtins) fn replace(arguments: &[Value]) -> Result<(), Instead> {
    size(arguments)?;
    let [
        Value::String(subject),
        Value::String(old),
        Value::String(new),
    ] = arguments
    else {
        return Ok(());
    };
    text(replaced(subject, old, new))
}

/// The length of `subject` when each `old` in it is `new`.
fn replaced(subject: &str, old: &str, new: &str) -> usize {
    let growth = new.len().saturating_sub(old.len());
    if growth == 0 {
        return subject.len();
    }
    let count = subject.matches(old).count();
    subject.len().saturating_add(count.saturating_mul(growth))
}

/// `strings.replace_n(patterns, text)`: each pattern is replaced in what the one before made.
pub(in crate::policy::builtins) fn replace_n(arguments: &[Value]) -> Result<(), Instead> {
    size(arguments)?;
    let [Value::Object(patterns), Value::String(subject)] = arguments else {
        return Ok(());
    };
    let mut result = subject.to_string();
    let mut work: usize = 0;
    for (old, new) in patterns.iter_sorted() {
        let (Value::String(old), Value::String(new)) = (old, new) else {
            return Ok(());
        };
        let length = replaced(&result, old, new);
        work = work.saturating_add(length);
        text(length)?;
        // About what one replacement in the longest text takes.
        pairs(work, 1)?;
        result = result.replace(old.as_ref(), new);
    }
    Err(Instead::Answer(Value::from(result)))
}

/// `concat(delimiter, texts)`.
pub(in crate::policy::builtins) fn concat(arguments: &[Value]) -> Result<(), Instead> {
    let size = size(arguments)?;
    let [Value::String(delimiter), _] = arguments else {
        return Ok(());
    };
    let delimiters = delimiter.len().saturating_mul(size.elements);
    text(size.text.saturating_add(delimiters))
}

/// `split(text, delimiter)`.
pub(in crate::policy::builtins) fn split(arguments: &[Value]) -> Result<(), Instead> {
    size(arguments)?;
    let [Value::String(subject), Value::String(delimiter)] = arguments else {
        return Ok(());
    };
    let most = MAX_ELEMENTS.saturating_add(1);
    let parts = if delimiter.is_empty() {
        subject.chars().take(most).count()
    } else {
        subject.split(delimiter.as_ref()).take(most).count()
    };
    elements(parts, MAX_ELEMENTS)
}

/// `indexof`, `indexof_n`, `strings.count`: a text is looked for at each place of another; and
/// `trim`, `trim_left`, `trim_right`: each character is looked for in a list.
pub(in crate::policy::builtins) fn searched(arguments: &[Value]) -> Result<(), Instead> {
    size(arguments)?;
    let [Value::String(subject), Value::String(sought)] = arguments else {
        return Ok(());
    };
    // Comparing goes on only where the beginnings are equal, many bytes at a time.
    pairs(subject.len(), sought.len() >> 5)
}

/// `indexof_n(text, sought)`.
pub(in crate::policy::builtins) fn indexof_n(arguments: &[Value]) -> Result<(), Instead> {
    searched(arguments)?;
    let [Value::String(subject), Value::String(sought)] = arguments else {
        return Ok(());
    };
    let most = MAX_ELEMENTS.saturating_add(1);
    let places = subject.char_indices().filter(|(at, _)| {
        subject
            .get(*at..)
            .is_some_and(|rest| rest.starts_with(sought.as_ref()))
    });
    elements(places.take(most).count(), MAX_ELEMENTS)
}

/// `strings.count(text, sought)`.
pub(in crate::policy::builtins) fn count(arguments: &[Value]) -> Result<(), Instead> {
    searched(arguments)?;
    if let [Value::String(subject), Value::String(sought)] = arguments
        && sought.is_empty()
    {
        // Between any two characters and at both ends, as in OPA.
        let places = subject.chars().count().saturating_add(1);
        return Err(Instead::Answer(Value::from(places)));
    }
    Ok(())
}

/// `trim(text, characters)` and its kin.
pub(in crate::policy::builtins) fn trim(arguments: &[Value]) -> Result<(), Instead> {
    size(arguments)?;
    let [Value::String(subject), Value::String(characters)] = arguments else {
        return Ok(());
    };
    pairs(subject.len(), characters.len() >> 4)
}

/// `strings.any_prefix_match(texts, prefixes)` and its kin.
pub(in crate::policy::builtins) fn any_match(arguments: &[Value]) -> Result<(), Instead> {
    size(arguments)?;
    match arguments {
        [left, right] => pairs(super::length(left).max(1), super::length(right).max(1)),
        _ => Ok(()),
    }
}
