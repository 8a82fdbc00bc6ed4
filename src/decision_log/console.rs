//! Console: records as JSON lines on standard error, as OPA's `decision_logs.console` writes them.
//!
//! A line has the keys that OPA's logger puts around an event (`level`, `msg`, `time`, `type`), so that
//! what finds decision logs among other lines goes on finding them. It is written at every log level, by
//! a thread of its own; when nobody reads, checks are answered as before and records are dropped and
//! counted. Lines never get into lines of the process log, which goes to the same place.

use std::{
    io::{self, ErrorKind, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, SecondsFormat};
use memchr::{memchr, memrchr};

use super::{
    Entry, Sink,
    lines::{Failed, Lines, Options, Output, Wrote},
};
use crate::telemetry::{Metrics, decision_log};

/// The sink.
#[derive(Debug)]
pub struct Console {
    lines: Lines,
    head: Head,
}

impl Console {
    /// Starts the thread that writes.
    pub fn start(metrics: Arc<Metrics>) -> io::Result<Self> {
        let options = Options {
            sink: decision_log::Sink::Console,
            place: "standard error".to_owned(),
            max_bytes: MAX_WAITING,
            metrics,
        };
        Ok(Self {
            lines: Lines::start(options, Standard)?,
            head: Head::default(),
        })
    }
}

impl Sink for Console {
    fn offer(&mut self, entry: &Entry) {
        let head = self.head.at(entry.at);
        // A record is an object that is never empty.
        let members = entry.json.strip_prefix(b"{").unwrap_or(&entry.json);
        self.lines.offer(&[head.as_bytes(), members]);
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

/// The start of a line, which is another each second.
#[derive(Debug, Default)]
struct Head {
    second: Option<u64>,
    text: String,
}

impl Head {
    fn at(&mut self, at: Duration) -> &str {
        if self.second != Some(at.as_secs()) {
            self.second = Some(at.as_secs());
            // As OPA has it: whole seconds. A time that no calendar has is the first there is.
            let time = i64::try_from(at.as_secs())
                .ok()
                .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
                .unwrap_or_default()
                .to_rfc3339_opts(SecondsFormat::Secs, true);
            self.text = format!(
                r#"{{"level":"info","msg":"Decision Log","time":"{time}","type":"openpolicyagent.org/decision_logs","#
            );
        }
        &self.text
    }
}

/// Standard error.
struct Standard;

impl Output for Standard {
    fn write(&mut self, lines: &[u8]) -> Wrote {
        // Held for whole lines, and not for long: the process log writes there too.
        write_some(&mut io::stderr().lock(), whole(lines))
    }
}

/// Some lines from the start of `lines`, one at least.
fn whole(lines: &[u8]) -> &[u8] {
    let few = lines.get(..AT_ONCE).unwrap_or(lines);
    let end = memrchr(b'\n', few).or_else(|| memchr(b'\n', lines));
    end.and_then(|end| lines.get(..=end)).unwrap_or(lines)
}

fn write_some(to: &mut impl Write, lines: &[u8]) -> Wrote {
    let mut rest = lines;
    let failed = loop {
        if rest.is_empty() {
            break None;
        }
        match to.write(rest) {
            Ok(0) => break Some(Failed::Later(ErrorKind::WriteZero.into())),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Nobody is there to read any more.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                break Some(Failed::Never(error));
            }
            Err(error) => break Some(Failed::Later(error)),
        }
    };
    Wrote {
        bytes: lines.len().saturating_sub(rest.len()),
        failed,
    }
}

/// Bytes that may wait to be written.
const MAX_WAITING: usize = 32 * 1024 * 1024;
/// Bytes that are written in one go.
const AT_ONCE: usize = 256 * 1024;

#[cfg(test)]
mod tests;
