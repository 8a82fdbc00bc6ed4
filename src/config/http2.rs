//! `portcullis.http2`: how HTTP/2 is spoken on the gRPC port. Every value is a bound on what one
//! caller can take.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::Value;

use super::{
    problem::Complaint,
    section::Section,
    value::{duration, integer},
};

/// `http2`: the gRPC port's HTTP/2 settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// `max_connections` at the same time; more wait in the kernel's queue. Default 4096.
    pub max_connections: usize,
    /// `max_concurrent_streams` of one connection. Default 1024.
    pub max_concurrent_streams: u32,
    /// `initial_stream_window_size` in bytes. Default 256 KiB.
    pub initial_stream_window_size: u32,
    /// `initial_connection_window_size` in bytes. Default 1 MiB.
    pub initial_connection_window_size: u32,
    /// `max_frame_size` in bytes. Default 16 KiB.
    pub max_frame_size: u32,
    /// `max_header_list_size` in bytes. Default 16 KiB: a check's headers are in its message.
    pub max_header_list_size: u32,
    /// `keepalive_interval`: how often an idle connection is probed. Default 30 s.
    pub keepalive_interval: Duration,
    /// `keepalive_timeout`: how long a caller may take to begin with HTTP/2, to answer a probe, and
    /// to take anything of what it is sent. Default 10 s.
    pub keepalive_timeout: Duration,
    /// `max_connection_age`: after about this time (a tenth more or less) a caller is asked to come
    /// anew, so that callers spread over new instances and certificates are verified again; `None`
    /// is never. Default 1 h.
    pub max_connection_age: Option<Duration>,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_concurrent_streams: 1024,
            initial_stream_window_size: 256 * 1024,
            initial_connection_window_size: 1024 * 1024,
            max_frame_size: SMALLEST_FRAME,
            max_header_list_size: 16 * 1024,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            max_connection_age: Some(Duration::from_hours(1)),
        }
    }
}

impl Http2 {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let windows = || SMALLEST_WINDOW..=LARGEST_WINDOW;
        let seconds = || Duration::from_secs(1)..=Duration::from_hours(1);
        Self {
            max_connections: section
                .value("max_connections", integer(1..=MOST_CONNECTIONS))
                .unwrap_or(default.max_connections),
            max_concurrent_streams: section
                .value("max_concurrent_streams", integer(1..=MOST_STREAMS))
                .unwrap_or(default.max_concurrent_streams),
            initial_stream_window_size: section
                .value("initial_stream_window_size", integer(windows()))
                .unwrap_or(default.initial_stream_window_size),
            initial_connection_window_size: section
                .value("initial_connection_window_size", integer(windows()))
                .unwrap_or(default.initial_connection_window_size),
            max_frame_size: section
                .value("max_frame_size", integer(SMALLEST_FRAME..=LARGEST_FRAME))
                .unwrap_or(default.max_frame_size),
            max_header_list_size: section
                .value("max_header_list_size", integer(1024..=1024 * 1024))
                .unwrap_or(default.max_header_list_size),
            keepalive_interval: section
                .value("keepalive_interval", duration(seconds()))
                .unwrap_or(default.keepalive_interval),
            keepalive_timeout: section
                .value("keepalive_timeout", duration(seconds()))
                .unwrap_or(default.keepalive_timeout),
            max_connection_age: section
                .value("max_connection_age", age)
                .unwrap_or(default.max_connection_age),
        }
    }
}

/// A time span, or the word [`NEVER`]: a zero could be read as "at once".
fn age(value: &Value) -> Result<Option<Duration>, Complaint> {
    if value.as_str() == Some(NEVER) {
        return Ok(None);
    }
    let hint = |complaint: Complaint| complaint.hint("write `never` to let connections stay");
    duration(CONNECTION_AGE)(value).map(Some).map_err(hint)
}

/// No end to a connection's age.
const NEVER: &str = "never";
const CONNECTION_AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(168);
/// More need more file descriptors than a process is given.
const MOST_CONNECTIONS: usize = 1_000_000;
const MOST_STREAMS: u32 = 100_000;
/// RFC 9113, section 6.9.2: the window a connection starts with.
const SMALLEST_WINDOW: u32 = 65_535;
/// RFC 9113, section 6.5.2: the largest window.
const LARGEST_WINDOW: u32 = 0x7fff_ffff;
/// RFC 9113, section 6.5.2: the smallest frame size that can be announced.
const SMALLEST_FRAME: u32 = 1 << 14;
/// RFC 9113, section 6.5.2: the largest frame size that can be announced.
const LARGEST_FRAME: u32 = (1 << 24) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_time_span_or_never() {
        let read = |word: &str| age(&Value::from(word)).ok();
        assert_eq!(read("never"), Some(None));
        assert_eq!(read("2h"), Some(Some(Duration::from_hours(2))));
        for word in ["", "0", "0s", "Never", "none", "8000h"] {
            assert_eq!(read(word), None, "{word}");
        }
        assert!(age(&Value::from(0)).is_err());
    }
}
