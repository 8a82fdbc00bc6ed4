//! Single values: what a key takes, and what is said when it is something else.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use serde_json::Value;

use super::problem::{Complaint, nearest};

/// `true` or `false`.
pub(super) fn boolean(value: &Value) -> Result<bool, Complaint> {
    value
        .as_bool()
        .ok_or_else(|| Complaint::wrong_type("a boolean", value))
}

/// Any text.
pub(super) fn text(value: &Value) -> Result<&str, Complaint> {
    value
        .as_str()
        .ok_or_else(|| Complaint::wrong_type("text", value))
}

/// The path of a file or folder.
pub(super) fn path(value: &Value) -> Result<PathBuf, Complaint> {
    match text(value)? {
        "" => Err(Complaint::new("the path is empty")),
        path if path.contains('\0') => Err(Complaint::new("the path holds a NUL character")),
        path => Ok(PathBuf::from(path)),
    }
}

/// An integer in `range`.
pub(super) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(&Value) -> Result<T, Complaint>
where
    T: TryFrom<u64> + PartialOrd + std::fmt::Display,
{
    move |value| {
        if !value.is_number() {
            return Err(Complaint::wrong_type("an integer", value));
        }
        value
            .as_u64()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                Complaint::new(format!(
                    "`{value}` must be an integer from {least} to {most}"
                ))
            })
    }
}

/// One of the words in `choices`.
pub(super) fn choice<T: Copy>(
    choices: &[(&'static str, T)],
) -> impl Fn(&Value) -> Result<T, Complaint> {
    move |value| {
        let word = text(value)?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
            return Ok(*choice);
        }
        let names: Vec<&'static str> = choices.iter().map(|(name, _)| *name).collect();
        let complaint = Complaint::new(format!(
            "`{}` must be one of `{}`",
            shown(word),
            names.join("`, `")
        ));
        Err(match nearest(word, names) {
            Some(name) => complaint.hint(format!("did you mean `{name}`?")),
            None => complaint,
        })
    }
}

/// A time span in `range`, such as `100ms` or `1.5s`.
pub(super) fn duration(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Value) -> Result<Duration, Complaint> {
    move |value| {
        let Some(word) = value.as_str() else {
            return Err(Complaint::wrong_type("a time span", value)
                .hint("write it with its unit, such as `100ms` or `1.5s`"));
        };
        let span = parse_duration(word).ok_or_else(|| {
            Complaint::new(format!("`{}` is not a time span", shown(word)))
                .hint("write a number and one of `us`, `ms`, `s`, `m`, `h`, such as `100ms`")
        })?;
        if range.contains(&span) {
            return Ok(span);
        }
        let (least, most) = (range.start(), range.end());
        Err(Complaint::new(format!(
            "`{}` must be from {least:?} to {most:?}",
            shown(word)
        )))
    }
}

/// A decimal number and a unit; `0` needs none.
pub(crate) fn parse_duration(word: &str) -> Option<Duration> {
    if word == "0" {
        return Some(Duration::ZERO);
    }
    let unit_at = word.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = word.split_at(unit_at);
    let seconds_per_unit = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let decimal = number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && number.starts_with(|c: char| c.is_ascii_digit())
        && number.ends_with(|c: char| c.is_ascii_digit());
    let number: f64 = number.parse().ok().filter(|_| decimal)?;
    // Rounded to whole nanoseconds by the standard library; refuses what does not fit.
    Duration::try_from_secs_f64(number * seconds_per_unit).ok()
}

/// A value as messages quote it: short, on one line, and a URL without its user and query.
pub(super) fn shown(word: &str) -> String {
    let masked = super::redacted::without_url_secrets(word);
    let mut text: String = masked.chars().take(LONGEST_QUOTE).collect();
    if masked.chars().nth(LONGEST_QUOTE).is_some() {
        text.push('…');
    }
    text.escape_debug().to_string()
}

/// Longest quoted value in characters.
const LONGEST_QUOTE: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_read_with_their_unit() {
        for (word, want) in [
            ("100ms", Some(Duration::from_millis(100))),
            ("1.5s", Some(Duration::from_millis(1500))),
            ("250us", Some(Duration::from_micros(250))),
            ("2m", Some(Duration::from_mins(2))),
            ("1h", Some(Duration::from_hours(1))),
            ("0", Some(Duration::ZERO)),
            ("0s", Some(Duration::ZERO)),
            ("", None),
            ("100", None),
            ("s", None),
            ("-1s", None),
            ("+1s", None),
            ("1.s", None),
            (".5s", None),
            ("1..5s", None),
            ("1e3s", None),
            ("1 s", None),
            ("1sec", None),
            ("infs", None),
            ("99999999999999999999999h", None),
        ] {
            assert_eq!(parse_duration(word), want, "{word}");
        }
    }
}
