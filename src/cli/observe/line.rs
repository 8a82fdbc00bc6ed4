//! One line a decision: columns for people, JSON for scripts.
//!
//! Promises that texts, which may come from a request, hold nothing that a terminal would act on.

use std::{borrow::Cow, fmt::Write as _};

use anyhow::Result;
use chrono::{DateTime, SecondsFormat};
use clap::ValueEnum;
use prost_types::Timestamp;
use serde::Serialize;

use crate::observe::{proto::Decision, short};

/// What is shown of each decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// What matters, in columns
    #[default]
    Table,
    /// Everything, in columns
    Wide,
    /// Everything, an object a line
    Json,
}

/// Writes lines; columns are as wide as what stood in them so far.
#[derive(Debug)]
pub(super) struct Lines {
    output: Output,
    colours: bool,
    widths: Vec<usize>,
}

impl Lines {
    pub(super) fn new(output: Output, colours: bool) -> Self {
        Self {
            output,
            colours,
            widths: match output {
                Output::Table => TABLE_WIDTHS.to_vec(),
                Output::Wide => WIDE_WIDTHS.to_vec(),
                Output::Json => Vec::new(),
            },
        }
    }

    /// Makes room for this one, before the header is shown.
    pub(super) fn fit(&mut self, decision: &Decision) {
        let cells = match self.output {
            Output::Table => table(decision).map(cell).to_vec(),
            Output::Wide => wide(decision).map(cell).to_vec(),
            Output::Json => Vec::new(),
        };
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = cell.chars().count().min(WIDEST).max(*width);
        }
    }

    /// What stands over the columns.
    pub(super) fn header(&mut self) -> Option<String> {
        let names: &[&str] = match self.output {
            Output::Table => &TABLE,
            Output::Wide => &WIDE,
            Output::Json => return None,
        };
        Some(self.columns(names.iter().map(|name| (*name).to_owned()), None))
    }

    pub(super) fn decision(&mut self, decision: &Decision) -> Result<String> {
        Ok(match self.output {
            Output::Table => self.columns(table(decision).map(cell), Some(decision)),
            Output::Wide => self.columns(wide(decision).map(cell), Some(decision)),
            Output::Json => json(&Shown::of(decision))?,
        })
    }

    /// That so many are missing, where that is said among the data.
    pub(super) fn lost(&self, count: u64) -> Option<String> {
        match self.output {
            Output::Table | Output::Wide => None,
            Output::Json => Some(format!("{{\"lost\":{count}}}")),
        }
    }

    fn columns(
        &mut self,
        cells: impl IntoIterator<Item = String>,
        decision: Option<&Decision>,
    ) -> String {
        let mut line = String::new();
        for (at, cell) in cells.into_iter().enumerate() {
            let length = cell.chars().count();
            let width = match self.widths.get_mut(at) {
                Some(width) => {
                    *width = length.min(WIDEST).max(*width);
                    *width
                }
                None => length,
            };
            let colour = decision
                .filter(|_| self.colours && at == OUTCOME)
                .map(colour);
            let (on, off) = colour.map_or(("", ""), |on| (on, PLAIN));
            // Writing to a string does not fail.
            let _written = write!(
                line,
                "{on}{cell}{off}{:1$}",
                "",
                width.saturating_sub(length).saturating_add(2)
            );
        }
        line.truncate(line.trim_end().len());
        line
    }
}

fn table(decision: &Decision) -> [Cow<'_, str>; 7] {
    [
        time(decision.time.as_ref()).into(),
        outcome(decision).into(),
        decision.reason.as_str().into(),
        short(&decision.caller),
        decision.method.as_str().into(),
        decision.host.as_str().into(),
        decision.path.as_str().into(),
    ]
}

fn wide(decision: &Decision) -> [Cow<'_, str>; 14] {
    let [time, outcome, reason, _, method, host, path] = table(decision);
    [
        time,
        outcome,
        reason,
        decision.caller.as_str().into(),
        method,
        host,
        path,
        decision.destination.as_str().into(),
        microseconds(decision).map_or(Cow::Borrowed(""), |us| format!("{us}us").into()),
        decision.policy_revision.as_str().into(),
        subject(decision).into(),
        decision.decision_id.as_str().into(),
        decision.trace_id.as_str().into(),
        decision.message.as_str().into(),
    ]
}

/// In dry-run what would have been answered is of interest.
fn outcome(decision: &Decision) -> String {
    let Decision { outcome, would, .. } = decision;
    if would.is_empty() || would == outcome {
        outcome.clone()
    } else {
        format!("{would} (dry run)")
    }
}

/// The token's subject, else why there is none.
fn subject(decision: &Decision) -> &str {
    if decision.token_subject.is_empty() {
        &decision.token_error
    } else {
        &decision.token_subject
    }
}

fn colour(decision: &Decision) -> &'static str {
    let would = Some(decision.would.as_str()).filter(|would| !would.is_empty());
    match would.unwrap_or(&decision.outcome) {
        "allowed" => "\u{1b}[32m",
        "denied" => "\u{1b}[31m",
        _ => "\u{1b}[33m",
    }
}

fn time(at: Option<&Timestamp>) -> String {
    let at = at.and_then(|at| {
        let nanoseconds = u32::try_from(at.nanos).ok()?;
        DateTime::from_timestamp(at.seconds, nanoseconds)
    });
    at.map_or_else(String::new, |at| {
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    })
}

fn microseconds(decision: &Decision) -> Option<u128> {
    let took: std::time::Duration = decision.duration?.try_into().ok()?;
    Some(took.as_micros())
}

fn cell(text: Cow<'_, str>) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        plain(&text).into_owned()
    }
}

/// The text with everything escaped that is not a character on its line.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal does something else with it than to draw it: controls, line ends, and what turns
/// the direction of writing or is not seen.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A decision as JSON.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    time: String,
    decision_id: &'a str,
    outcome: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    would: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u128>,
    #[serde(skip_serializing_if = "str::is_empty")]
    caller: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    policy_revision: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    token_provider: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    token_subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    token_error: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    destination: &'a str,
}

impl<'a> Shown<'a> {
    fn of(decision: &'a Decision) -> Self {
        Self {
            time: time(decision.time.as_ref()),
            decision_id: &decision.decision_id,
            outcome: &decision.outcome,
            reason: &decision.reason,
            would: &decision.would,
            duration_us: microseconds(decision),
            caller: &decision.caller,
            method: &decision.method,
            host: &decision.host,
            path: &decision.path,
            message: &decision.message,
            policy_revision: &decision.policy_revision,
            token_provider: &decision.token_provider,
            token_subject: &decision.token_subject,
            token_error: &decision.token_error,
            trace_id: &decision.trace_id,
            destination: &decision.destination,
        }
    }
}

/// JSON escapes some controls by itself; the others are as harmless in a string when they are escaped.
fn json(shown: &Shown<'_>) -> Result<String> {
    let text = serde_json::to_string(shown)?;
    if !text.contains(acts) {
        return Ok(text);
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _written = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(c);
        }
    }
    Ok(line)
}

const TABLE: [&str; 7] = [
    "TIME", "OUTCOME", "REASON", "CALLER", "METHOD", "HOST", "PATH",
];
const WIDE: [&str; 14] = [
    "TIME",
    "OUTCOME",
    "REASON",
    "CALLER",
    "METHOD",
    "HOST",
    "PATH",
    "DESTINATION",
    "DURATION",
    "REVISION",
    "SUBJECT",
    "DECISION",
    "TRACE",
    "MESSAGE",
];
/// The column that has a colour.
const OUTCOME: usize = 1;
/// How wide columns are at first: as times, outcomes, most reasons, and so on.
const TABLE_WIDTHS: [usize; 7] = [24, 7, 9, 20, 6, 20, 16];
const WIDE_WIDTHS: [usize; 14] = [24, 7, 9, 40, 6, 20, 16, 40, 8, 19, 7, 36, 5, 7];
/// A wider cell moves those after it, on its own line.
const WIDEST: usize = 64;
const PLAIN: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests;
