//! The log of this process: the server's own subscriber, writing into memory.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, Once},
    time::Duration,
};

use portcullis::{
    identity::Xfcc,
    telemetry::{
        Metrics, Recorder, Telemetry, Tracing,
        line::ProcessLog,
        log::{Format, Level, subscriber},
        recorder::{self, Consumer, Interest, Recording},
    },
};
use serde_json::Value;

static START: Once = Once::new();
static LINES: Mutex<Vec<Value>> = Mutex::new(Vec::new());
static WRITTEN: Condvar = Condvar::new();
static BREAKS_ON: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Collects the log of this process from now on.
pub(crate) fn start() {
    START.call_once(|| {
        let log = subscriber(Level::Debug, Format::Json, false, || Sink);
        tracing::subscriber::set_global_default(log).unwrap();
    });
}

/// A recorder that writes the lines of checks, for services without an application around them.
pub(crate) fn told(metrics: Arc<Metrics>) -> (Telemetry, Recording) {
    let interest = Interest::default();
    let consumers: Vec<Box<dyn Consumer>> = vec![Box::new(ProcessLog::new(&interest))];
    let options = recorder::Options::default();
    let of = Arc::clone(&metrics);
    let (recorder, recording) =
        Recorder::start(options, interest, Xfcc::default(), consumers, of).unwrap();
    let telemetry = Telemetry {
        metrics,
        recorder,
        tracing: Tracing::default(),
    };
    (telemetry, recording)
}

/// The next line that contains `text` makes the writer panic, once.
pub(crate) fn break_on(text: &str) {
    BREAKS_ON.lock().unwrap().push(text.to_owned());
}

/// The line of the check with this decision id, once it is written.
pub(crate) fn of_check(decision_id: &str) -> Value {
    let found = |lines: &[Value]| {
        let mut of_check = lines.iter().filter(|l| l["decision_id"] == decision_id);
        of_check.next_back().cloned()
    };
    let lines = LINES.lock().unwrap();
    let (lines, _) = WRITTEN
        .wait_timeout_while(lines, Duration::from_secs(30), |lines| {
            found(lines).is_none()
        })
        .unwrap();
    found(&lines).expect("a line of this check")
}

/// All lines of this process, as JSON text.
pub(crate) fn text() -> String {
    let lines = LINES.lock().unwrap();
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    lines.join("\n")
}

/// The lines with this message whose `field` is `value`.
pub(crate) fn saying(message: &str, field: &str, value: &str) -> Vec<Value> {
    let lines = LINES.lock().unwrap();
    let found = lines
        .iter()
        .filter(|line| line["message"] == message && line[field] == value);
    found.cloned().collect()
}

struct Sink;

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let broken = {
            let mut breaks_on = BREAKS_ON.lock().unwrap();
            let at = breaks_on.iter().position(|word| text.contains(word));
            at.map(|at| breaks_on.swap_remove(at))
        };
        assert!(broken.is_none(), "the log cannot be written");
        let lines = text.lines().map(serde_json::from_str);
        LINES.lock().unwrap().extend(lines.filter_map(Result::ok));
        WRITTEN.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
