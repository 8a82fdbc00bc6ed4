//! `--since`: so long ago, or a time.

use std::{str::FromStr, time::Duration};

use chrono::DateTime;
use prost_types::Timestamp;

use crate::{clock::Now, config::parse_duration};

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// So long ago.
    Ago(Duration),
    /// At that time.
    Time {
        /// Since the Unix epoch.
        seconds: i64,
        /// Of that second.
        nanoseconds: u32,
    },
}

/// Why a text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write how long ago, as in `5m`, or a time, as in `2026-01-31T12:00:00Z`")]
pub(super) struct InvalidSince;

impl Since {
    /// As a time.
    pub(super) fn at(&self, now: Now) -> Timestamp {
        let (seconds, nanoseconds) = match *self {
            Self::Ago(span) => {
                let at = now.unix.saturating_sub(span);
                let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
                (seconds, at.subsec_nanos())
            }
            Self::Time {
                seconds,
                nanoseconds,
            } => (seconds, nanoseconds),
        };
        Timestamp {
            seconds,
            nanos: i32::try_from(nanoseconds).unwrap_or_default(),
        }
    }
}

impl FromStr for Since {
    type Err = InvalidSince;

    fn from_str(text: &str) -> Result<Self, InvalidSince> {
        if let Some(span) = parse_duration(text) {
            return Ok(Self::Ago(span));
        }
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| InvalidSince)?;
        Ok(Self::Time {
            seconds: time.timestamp(),
            nanoseconds: time.timestamp_subsec_nanos(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn it_is_a_span_before_now_or_a_time() {
        let now = Now {
            unix: Duration::from_millis(1_000_500),
            instant: Instant::now(),
        };
        let at = |text: &str| {
            let since: Result<Since, _> = text.parse();
            since
                .map(|since| since.at(now))
                .map(|at| (at.seconds, at.nanos))
        };
        assert_eq!(at("5m"), Ok((700, 500_000_000)));
        assert_eq!(at("0s"), Ok((1000, 500_000_000)));
        assert_eq!(at("1000h"), Ok((0, 0)));
        assert_eq!(at("1970-01-01T01:00:01.5+01:00"), Ok((1, 500_000_000)));
        for wrong in ["", "5", "-5m", "yesterday", "2026-01-31", "12:00"] {
            assert_eq!(at(wrong), Err(InvalidSince), "{wrong}");
        }
    }
}
