//! What the server itself says of the checks that it shed: each has a line in its log, with how long it
//! took from arrival to answer.

use hdrhistogram::Histogram;
use serde::Deserialize;

/// The part of a line that is wanted.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    reason: Option<&'a str>,
    duration_us: Option<u64>,
}

/// The times in these lines, in microseconds.
pub(super) fn times(log: &str) -> Histogram<u64> {
    let mut times = Histogram::new_with_max(60_000_000, 3).unwrap();
    let shed = log.lines().filter(|line| line.contains("overload"));
    for line in shed.filter_map(|line| serde_json::from_str::<Line<'_>>(line).ok()) {
        if let (Some("overload"), Some(took)) = (line.reason, line.duration_us) {
            times.saturating_record(took);
        }
    }
    times
}
