//! The three formats and the three levels.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use super::*;

/// Takes in what a subscriber writes.
#[derive(Clone, Default)]
pub(in crate::telemetry) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(in crate::telemetry) fn writer(
        &self,
    ) -> impl for<'a> MakeWriter<'a> + Send + Sync + use<> + 'static {
        let lines = self.clone();
        move || lines.clone()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
    }

    pub(in crate::telemetry) fn json(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let lines = text.lines().map(serde_json::from_str);
        lines.map(|line| line.expect("a JSON line")).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(level: Level, format: Format) -> String {
    let lines = Lines::default();
    let subscriber = subscriber(level, format, false, lines.writer());
    tracing::subscriber::with_default(subscriber, || {
        tracing::error!(target: "portcullis::x", n = 1, text = "a\nb\u{1b}[2J", "ours error");
        tracing::info!(target: "portcullis::x", "ours info");
        tracing::debug!(target: "portcullis::x", "ours debug");
        tracing::info!(target: "h2", "theirs info");
        tracing::debug!(target: "h2", "theirs debug");
    });
    lines.text()
}

#[test]
fn a_level_hides_what_is_below_it_and_libraries_one_level_more() {
    let cases: [(Level, &[&str]); 3] = [
        (Level::Error, &["ours error"]),
        (Level::Info, &["ours error", "ours info"]),
        (
            Level::Debug,
            &["ours error", "ours info", "ours debug", "theirs info"],
        ),
    ];
    let all = [
        "ours error",
        "ours info",
        "ours debug",
        "theirs info",
        "theirs debug",
    ];
    for (level, shown) in cases {
        let text = logged(level, Format::Json);
        for message in all {
            assert_eq!(text.contains(message), shown.contains(&message), "{text}");
        }
    }
}

#[test]
fn json_is_an_object_a_line() {
    let text = logged(Level::Error, Format::Json);
    let line: serde_json::Value = serde_json::from_str(&text).expect("one line of JSON");
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["n"], 1);
    assert_eq!(line["text"], "a\nb\u{1b}[2J");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn pretty_json_is_the_same_object_over_several_lines() {
    let text = logged(Level::Error, Format::JsonPretty);
    let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
    assert_eq!(line["message"], "ours error");
    assert!(text.lines().count() > 4, "{text}");
}

#[test]
fn text_is_one_line_that_no_value_can_break() {
    let text = logged(Level::Error, Format::Text);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.contains("ours error"));
}

#[test]
fn names_are_opas() {
    assert_eq!("debug".parse(), Ok(Level::Debug));
    assert_eq!("info".parse(), Ok(Level::Info));
    assert_eq!("error".parse(), Ok(Level::Error));
    assert_eq!("json".parse(), Ok(Format::Json));
    assert_eq!("json-pretty".parse(), Ok(Format::JsonPretty));
    assert_eq!("text".parse(), Ok(Format::Text));
    let error = "verbose".parse::<Level>().expect_err("unknown").to_string();
    assert_eq!(error, "`verbose` is not one of debug, info, error");
    assert!("xml".parse::<Format>().is_err());
}
