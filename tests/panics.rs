//! A panic wherever it happens is counted and logged. Alone in its process: the hook is the process'.
#![expect(clippy::unwrap_used, reason = "a test helper fails by panicking")]

use std::{
    io,
    sync::{Arc, Mutex},
    thread,
};

use portcullis::telemetry::{
    Metrics,
    line::ProcessLog,
    log::{Format, Level, subscriber},
    panics,
    recorder::{Consumer as _, Interest},
};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn counted() -> bool {
    let text = Metrics::new(None).encode();
    assert!(
        text.contains("\nportcullis_process_panics_total "),
        "{text}"
    );
    !text.contains("\nportcullis_process_panics_total 0")
}

#[test]
fn a_panic_on_any_thread_is_counted_and_logged_and_shows_no_token() {
    assert!(!counted());
    panics::watch();
    let work = || panic!("no sense in eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln");
    let thread = thread::Builder::new().name("follower".to_owned());
    assert!(thread.spawn(work).unwrap().join().is_err());
    assert!(counted());
    let lines = Lines::default();
    let writer = lines.clone();
    let log = subscriber(Level::Error, Format::Json, false, move || writer.clone());
    tracing::subscriber::with_default(log, || ProcessLog::new(&Interest::default()).idle());
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["thread"], "follower");
    assert!(
        line["place"]
            .as_str()
            .unwrap()
            .starts_with("tests/panics.rs:")
    );
    let error = line["error"].as_str().unwrap();
    assert!(
        error.starts_with("no sense in ") && !error.contains("eyJ"),
        "{error}"
    );
}
