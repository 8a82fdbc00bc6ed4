//! `min_delay_seconds` and `max_delay_seconds`, which OPA has wherever something is done again and again.

use std::{ops::RangeInclusive, time::Duration};

use super::{problem::Complaint, section::Section, value::integer};

/// Both, each within `range` of seconds; both are given or none.
pub(super) fn read(
    section: &mut Section<'_>,
    range: RangeInclusive<u64>,
) -> (Option<Duration>, Option<Duration>) {
    let min = section.value("min_delay_seconds", integer(range.clone()));
    let max = section.value("max_delay_seconds", integer(range));
    let given = section.given(&["min_delay_seconds", "max_delay_seconds"]);
    if let [one] = given.as_slice() {
        let other = match *one {
            "min_delay_seconds" => "max_delay_seconds",
            _ => "min_delay_seconds",
        };
        let message = format!("is missing beside `{one}`");
        section.problem(other, Complaint::new(message));
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let message = format!("`{max}` must not be less than `min_delay_seconds`");
        section.problem("max_delay_seconds", Complaint::new(message));
    }
    (min.map(Duration::from_secs), max.map(Duration::from_secs))
}
