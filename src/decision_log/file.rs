//! File: records as JSON lines in a file with rotation.
//!
//! Promises that what is in the files are whole lines, each no more than once; that the files together
//! take no more room than configured, one long line apart; and that a file which cannot be written (a full
//! disk, a folder that is gone) is tried again until it can. A file that somebody moved away is left alone
//! from then on, and a new one made: no signal is needed.

mod rotation;

use std::{io, path::PathBuf, sync::Arc, time::Instant};

use self::rotation::Files;
use super::{
    Entry, Sink,
    lines::{Failed, Lines, Output, Wrote},
};
use crate::telemetry::{Metrics, decision_log};

/// Where to, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The file that is written; older ones have its name with `.1`, `.2` and so on after it.
    pub path: PathBuf,
    /// Bytes of one file.
    pub max_bytes: u64,
    /// How many files there are, the one that is written among them; at least one.
    pub max_files: u32,
}

/// The sink.
#[derive(Debug)]
pub struct LogFile {
    lines: Lines,
}

impl LogFile {
    /// Starts the thread that writes. That the file cannot be written yet is no failure here.
    pub fn start(options: Options, metrics: Arc<Metrics>) -> io::Result<Self> {
        let lines = super::lines::Options {
            sink: decision_log::Sink::File,
            place: options.path.display().to_string(),
            max_bytes: MAX_WAITING,
            metrics,
        };
        let files = Files::new(options);
        Ok(Self {
            lines: Lines::start(lines, files)?,
        })
    }
}

impl Sink for LogFile {
    fn offer(&mut self, entry: &Entry) {
        self.lines.offer(&[&entry.json]);
    }

    fn idle(&mut self) {
        self.lines.idle();
    }

    fn close(&mut self, _deadline: Instant) {
        self.lines.close();
    }

    fn finish(&mut self, deadline: Instant) {
        self.lines.finish(deadline);
    }
}

impl Output for Files {
    fn write(&mut self, lines: &[u8]) -> Wrote {
        let (bytes, failed) = match self.append(lines) {
            Ok(bytes) => (bytes, None),
            Err(error) => (0, Some(Failed::Later(error))),
        };
        Wrote { bytes, failed }
    }
}

/// Bytes that may wait to be written.
const MAX_WAITING: usize = 32 * 1024 * 1024;
