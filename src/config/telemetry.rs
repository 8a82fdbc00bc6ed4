//! `portcullis.telemetry`: how much of what is told of checks may wait.

use std::ops::RangeInclusive;

use super::{section::Section, value::integer};
use crate::telemetry::recorder::Options;

/// `telemetry`: what is told of checks, off their line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// `queue`: how much may wait between the checks and whoever tells of them.
    pub queue: Options,
}

impl Telemetry {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            queue: section.section("queue", queue),
        }
    }
}

fn queue(section: &mut Section<'_>) -> Options {
    let default = Options::default();
    Options {
        records: section
            .value("records", integer(RECORDS))
            .unwrap_or(default.records),
        bytes: section
            .value("bytes", integer(BYTES))
            .unwrap_or(default.bytes),
    }
}

/// The queue is set aside at the start: eight bytes a record.
const RECORDS: RangeInclusive<usize> = 1..=1 << 20;
/// At least one request of the usual largest size.
const BYTES: RangeInclusive<usize> = 64 * 1024..=16 * 1024 * 1024 * 1024;
