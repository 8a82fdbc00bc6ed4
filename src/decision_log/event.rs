//! The event of one check, in OPA's schema and with what is ours under `portcullis`.
//!
//! Everything that OPA shows to the policies `mask_decision` and `drop_decision` is written first, so
//! that they are asked about the text that would be logged, credentials taken out already. What a mask
//! changes is written anew.

mod cache;
mod head;
mod ours;
mod result;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, SecondsFormat};

use super::mask::{Done, Maskable};
use crate::{
    input::{self, Value, logged},
    outcome::{CheckError, Stage},
    redact::{credentials, credentials::Redactor, json::Json},
    telemetry::{Record, Recorded, text::causes},
};
use head::Head;

pub use ours::Rules;

/// What an event holds, and which get one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// OPA's `labels`, with `id` and `version` among them.
    pub labels: BTreeMap<String, String>,
    /// How the input document is shaped.
    pub input: input::Options,
    /// OPA's `mask_decision`: segments below `data`, `["system", "log", "mask"]` by default there.
    pub mask: Option<Vec<String>>,
    /// OPA's `drop_decision`, likewise.
    pub drop: Option<Vec<String>>,
    /// Whether the answers of `http.send` and of its like are told.
    pub nd_builtin_cache: bool,
    /// OPA's `request_context.http.headers`.
    pub request_context_headers: Vec<String>,
    /// One in so many checks that are allowed gets an event; every one when 0 or 1.
    pub sample_allowed: u32,
    /// What is never shown; names of headers and parameters that tokens are looked for in belong here.
    pub redact: credentials::Options,
    /// Whether the rules that decided are told. They are found by evaluating once more.
    pub rules: bool,
}

/// Writes events.
#[derive(Debug)]
pub struct Writer {
    input: input::Options,
    nd_builtin_cache: bool,
    request_context_headers: Vec<String>,
    redactor: Redactor,
    head: Head,
    /// About how long an event is.
    usual: usize,
}

impl Writer {
    /// Writes events as `options` says.
    pub fn new(options: &Options) -> Self {
        Self {
            input: options.input.clone(),
            nd_builtin_cache: options.nd_builtin_cache,
            request_context_headers: options.request_context_headers.clone(),
            redactor: Redactor::new(&options.redact),
            head: Head::new(&options.labels),
            usual: 4096,
        }
    }

    /// Writes as far as the policies of the log may see it.
    pub fn draft(&mut self, recorded: &Recorded<'_>) -> Draft<'_> {
        let record = recorded.record;
        let mut json = Json::new(&self.redactor, self.usual);
        json.raw("{");
        self.head.write(&mut json, record);
        write_request_context(&mut json, recorded, &self.request_context_headers);
        json.string_field("timestamp", &timestamp(record.at));
        let maskable = json.written().len();
        json.field("input", |json| write_input(json, recorded, &self.input));
        if self.nd_builtin_cache {
            cache::write(&mut json, &record.externals);
        }
        if let Ok(decision) = &record.outcome {
            json.field("result", |json| {
                json.bounded(logged::MOST_BYTES, |json| result::write(json, decision));
            });
        }
        Draft { json, maskable }
    }

    /// Remembers how long an event was.
    pub fn note(&mut self, length: usize) {
        self.usual = length.saturating_add(length / 8).clamp(1024, 64 * 1024);
    }
}

/// An event without its end.
#[derive(Debug)]
pub struct Draft<'w> {
    json: Json<'w>,
    /// Where that begins which a mask may change.
    maskable: usize,
}

impl Draft<'_> {
    /// The event as the policies of the log see it; `None` when it cannot be read back.
    pub fn value(&self) -> Option<Value> {
        let mut text = self.json.written().to_vec();
        text.push(b'}');
        input::parse_own_json(&text).ok()
    }

    /// Writes that anew which a mask has changed, and what it did.
    pub(in crate::decision_log) fn replace(&mut self, masked: &Maskable, done: &Done) {
        let json = &mut self.json;
        json.truncate(self.maskable);
        let parts = [
            ("input", &masked.input),
            ("nd_builtin_cache", &masked.nd_builtin_cache),
            ("result", &masked.result),
        ];
        for (key, value) in parts {
            if let Some(value) = value {
                json.field(key, |json| logged::write_as_is(json, value));
            }
        }
        for (key, paths) in [("erased", &done.erased), ("masked", &done.masked)] {
            if !paths.is_empty() {
                json.field(key, |json| write_strings(json, paths));
            }
        }
    }

    /// Writes the rest.
    pub fn finish(self, recorded: &Recorded<'_>, rules: Option<&Rules>) -> Vec<u8> {
        let mut json = self.json;
        let record = recorded.record;
        if let Err(error) = &record.outcome {
            json.field("error", |json| write_error(json, error));
        }
        json.field("metrics", |json| write_metrics(json, record));
        json.field("portcullis", |json| ours::write(json, recorded, rules));
        json.raw("}");
        json.into_bytes()
    }
}

fn write_input(json: &mut Json<'_>, recorded: &Recorded<'_>, options: &input::Options) {
    match recorded.request {
        Ok(request) => {
            let token = recorded.record.token_document();
            logged::write(json, options, request, &recorded.caller, token);
        }
        Err(_unreadable) => json.raw("null"),
    }
}

fn write_request_context(json: &mut Json<'_>, recorded: &Recorded<'_>, names: &[String]) {
    let http = recorded.request.as_ref().ok().and_then(|view| view.http());
    let Some(http) = http.filter(|_| !names.is_empty()) else {
        return;
    };
    let found = names.iter().filter_map(|name| {
        let value = http.header(&name.to_ascii_lowercase())?;
        Some((name.as_str(), value))
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return;
    }
    json.field("request_context", |json| {
        json.object(|json| {
            json.field("http", |json| {
                json.object(|json| {
                    json.field("headers", |json| {
                        json.object(|json| write_headers(json, &found));
                    });
                });
            });
        });
    });
}

fn write_headers(json: &mut Json<'_>, headers: &[(&str, &str)]) {
    for (name, value) in headers {
        json.field(name, |json| {
            json.list(|json| json.item(0, |json| json.header(name, value)));
        });
    }
}

fn write_strings(json: &mut Json<'_>, strings: &[String]) {
    json.list(|json| {
        for (index, string) in strings.iter().enumerate() {
            json.item(index, |json| json.string(string));
        }
    });
}

fn write_error(json: &mut Json<'_>, error: &CheckError) {
    json.object(|json| {
        json.string_field("code", error.reason().as_str());
        json.text_field("message", &causes(error));
    });
}

/// By the names that OPA has for them.
fn write_metrics(json: &mut Json<'_>, record: &Record) {
    json.object(|json| {
        if let Some(time) = record.stages.get(Stage::Policy) {
            json.number_field("timer_rego_query_eval_ns", nanoseconds(time));
        }
        json.number_field("timer_server_handler_ns", nanoseconds(record.duration));
    });
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC, with nanoseconds.
fn timestamp(at: Duration) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, at.subsec_nanos())
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Nanos, true)
}

#[cfg(test)]
mod tests;
