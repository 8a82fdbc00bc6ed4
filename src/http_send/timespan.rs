//! Time spans as Go writes them: `1h2m3.5s`, `300ms`, `-1.5h`, or a bare number of nanoseconds.

/// The nanoseconds of a time span; nothing if it is none or does not fit.
pub(super) fn nanoseconds(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number_ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(number_ends)?;
        let unit_ends = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, next) = after.split_at_checked(unit_ends.unwrap_or(after.len()))?;
        total = total.checked_add(part(number, unit)?)?;
        rest = next;
    }
    total.checked_mul(sign)
}

fn part(number: &str, unit: &str) -> Option<i64> {
    let unit: i64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse().ok()
        }
    };
    let whole: i64 = digits(whole)?;
    // Digits below a nanosecond are cut off.
    let (mut below, mut scale) = (0_i64, unit);
    for digit in fraction.chars() {
        let digit = i64::from(digit.to_digit(10)?);
        scale = scale.checked_div(10)?;
        below = below.checked_add(digit.checked_mul(scale)?)?;
    }
    whole.checked_mul(unit)?.checked_add(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_read_as_go_reads_them() {
        for (text, want) in [
            ("1s", Some(1_000_000_000)),
            ("300ms", Some(300_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("1h2m3.5s", Some(3_723_500_000_000)),
            ("-1s", Some(-1_000_000_000)),
            ("+2us", Some(2_000)),
            ("2µs", Some(2_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("0", Some(0)),
            ("500", Some(500)),
            ("-7", Some(-7)),
            ("", None),
            ("s", None),
            (".s", None),
            ("1", Some(1)),
            ("1.5", None),
            ("1 s", None),
            ("1d", None),
            ("1s-", None),
            ("--1s", None),
            ("99999999999999h", None),
            ("1e3s", None),
        ] {
            assert_eq!(nanoseconds(text), want, "{text}");
        }
    }
}
