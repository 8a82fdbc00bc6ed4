//! `portcullis.decision_logs`: what OPA has no key for.

use std::ops::RangeInclusive;

use http::HeaderName;
use serde_json::Value;

use super::super::{
    otlp::{self as collector, Names},
    problem::Complaint,
    section::Section,
    value::{integer, path, shown, text},
};
use crate::{
    decision_log::{file, service::SpillOptions},
    redact::Secret,
    traces::otlp,
};

/// The section `portcullis.decision_logs`.
#[derive(Clone, Debug, PartialEq)]
pub struct OurDecisionLogs {
    /// `file`: records are appended to a file, one a line.
    pub file: Option<file::Options>,
    /// `otlp`: records are exported, with the keys of `distributed_tracing`.
    pub otlp: Option<otlp::Options>,
    /// `sample.allowed`: one in so many allowed checks has a record; all others always have. Default 1.
    pub sample_allowed: u32,
    /// `redact`: what is hidden before anybody sees a record.
    pub redact: Redact,
    /// `rules`: records say where the decision came from. Default `false`.
    pub rules: bool,
    /// `spill`: where records wait that a service does not take.
    pub spill: Option<SpillOptions>,
}

/// `redact`: what is hidden before anybody sees a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redact {
    /// `headers`, in lower case, beside those that are always hidden.
    pub headers: Vec<String>,
    /// `parameters` of queries, beside those that are always hidden.
    pub parameters: Vec<String>,
    /// `key` of the hashes that stand for what is hidden; without one it is another at each start.
    pub key: Option<Secret<String>>,
    /// `off`: nothing is hidden but by the policy. Default `false`.
    pub off: bool,
}

impl Default for OurDecisionLogs {
    fn default() -> Self {
        Self {
            file: None,
            otlp: None,
            sample_allowed: 1,
            redact: Redact::default(),
            rules: false,
            spill: None,
        }
    }
}

impl OurDecisionLogs {
    pub(in crate::config) fn read(section: &mut Section<'_>) -> Self {
        let sample = section.section("sample", |sample| {
            sample.value("allowed", integer(1..=u32::MAX))
        });
        Self {
            file: section.optional_section("file", log_file).flatten(),
            otlp: section
                .optional_section("otlp", |otlp| collector::read(otlp, NAMES))
                .flatten(),
            sample_allowed: sample.unwrap_or(1),
            redact: section.section("redact", redact),
            rules: section.flag("rules"),
            spill: section.optional_section("spill", spill).flatten(),
        }
    }
}

fn log_file(section: &mut Section<'_>) -> Option<file::Options> {
    let max_bytes = section.value("max_bytes", integer(FILE_BYTES));
    let max_files = section.value("max_files", integer(1..=MOST_FILES));
    Some(file::Options {
        path: section.required("path", path)?,
        max_bytes: max_bytes.unwrap_or(DEFAULT_FILE_BYTES),
        max_files: max_files.unwrap_or(DEFAULT_FILES),
    })
}

fn spill(section: &mut Section<'_>) -> Option<SpillOptions> {
    let max_bytes = section.value("max_bytes", integer(SPILL_BYTES));
    Some(SpillOptions {
        directory: section.required("directory", path)?,
        max_bytes: max_bytes.unwrap_or(DEFAULT_SPILL_BYTES),
    })
}

fn redact(section: &mut Section<'_>) -> Redact {
    let off = section.flag("off");
    if off {
        section.warn("off", "is on: tokens and passwords are in the decision log");
    }
    let headers = section.list("headers", |value| {
        header(value).map(|name| name.to_ascii_lowercase())
    });
    Redact {
        headers: headers.unwrap_or_default(),
        parameters: section.list("parameters", parameter).unwrap_or_default(),
        key: section.value("key", key),
        off,
    }
}

/// The name of a header, as it was given: OPA's records have it so.
pub(super) fn header(value: &Value) -> Result<String, Complaint> {
    let name = text(value)?;
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = format!("`{}` is not the name of a header", shown(name));
        return Err(Complaint::new(message));
    }
    Ok(name.to_owned())
}

fn parameter(value: &Value) -> Result<String, Complaint> {
    match text(value)? {
        "" => Err(Complaint::new("the name is empty")),
        name => Ok(name.to_owned()),
    }
}

fn key(value: &Value) -> Result<Secret<String>, Complaint> {
    let key = text(value)?;
    if key.len() < SHORTEST_KEY {
        let message =
            format!("must have {SHORTEST_KEY} bytes at least: who guesses it can undo the hashes");
        return Err(Complaint::new(message));
    }
    Ok(Secret::new(key.to_owned()))
}

const NAMES: Names = Names {
    // As the spans of the same process.
    service: "opa",
    batch: "batch",
};
const FILE_BYTES: RangeInclusive<u64> = 64 * 1024..=1 << 40;
const DEFAULT_FILE_BYTES: u64 = 100 * 1024 * 1024;
const MOST_FILES: u32 = 1000;
const DEFAULT_FILES: u32 = 5;
/// Some chunks of the usual size at least.
const SPILL_BYTES: RangeInclusive<u64> = 64 * 1024..=1 << 40;
const DEFAULT_SPILL_BYTES: u64 = 1 << 30;
/// As long as half of what the hash makes of it.
const SHORTEST_KEY: usize = 16;
