//! `result`: the decision as the policy gave it.
//!
//! Made from the typed decision. So what a policy says that no check heeds (keys of other names, the
//! keys of the other verdict) is not in it, a single-valued list is the value itself, and a decision
//! that is nothing but its verdict is a boolean.

use crate::{
    decision::{
        AppendAction, Decision, Denial, Header, HeaderName, HttpStatus, Json as Metadata, Permit,
    },
    redact::json::Json,
};

/// Writes the decision.
pub(super) fn write(json: &mut Json<'_>, decision: &Decision) {
    let bare = decision.reason().is_none() && decision.dynamic_metadata().is_none();
    match decision {
        Decision::Allow(permit) if bare && permit.changes_nothing() => json.raw("true"),
        Decision::Deny(denial) if bare && is_plain(denial) => json.raw("false"),
        Decision::Allow(permit) => json.object(|json| write_permit(json, decision, permit)),
        Decision::Deny(denial) => json.object(|json| write_denial(json, decision, denial)),
    }
}

fn is_plain(denial: &Denial) -> bool {
    denial.http_status() == HttpStatus::FORBIDDEN
        && denial.headers().is_empty()
        && denial.body().is_none()
}

fn write_permit(json: &mut Json<'_>, decision: &Decision, permit: &Permit) {
    json.raw_field("allowed", "true");
    write_metadata(json, decision);
    write_headers(json, "headers", permit.request_headers());
    let removed = permit.query_parameters_to_remove();
    write_texts(json, "query_parameters_to_remove", removed.iter());
    let set = permit.query_parameters_to_set();
    let set: Vec<_> = set
        .iter()
        .map(|p| (p.name(), Said::Plain(p.value())))
        .collect();
    write_multimap(json, "query_parameters_to_set", &set);
    write_reason(json, decision);
    let removed = permit.request_headers_to_remove().iter();
    write_texts(
        json,
        "request_headers_to_remove",
        removed.map(HeaderName::as_str),
    );
    write_headers(json, "response_headers_to_add", permit.response_headers());
}

fn write_denial(json: &mut Json<'_>, decision: &Decision, denial: &Denial) {
    json.raw_field("allowed", "false");
    if let Some(body) = denial.body() {
        json.field("body", |json| json.body(body));
    }
    write_metadata(json, decision);
    write_headers(json, "headers", denial.headers());
    if denial.http_status() != HttpStatus::FORBIDDEN {
        json.number_field("http_status", denial.http_status().get());
    }
    write_reason(json, decision);
}

fn write_reason(json: &mut Json<'_>, decision: &Decision) {
    if let Some(reason) = decision.reason() {
        json.field("reason", |json| json.text(reason));
    }
}

fn write_metadata(json: &mut Json<'_>, decision: &Decision) {
    if let Some(metadata) = decision.dynamic_metadata() {
        json.field("dynamic_metadata", |json| {
            json.object(|json| write_fields(json, metadata.fields()));
        });
    }
}

fn write_fields<K: AsRef<str>>(json: &mut Json<'_>, fields: &[(K, Metadata)]) {
    for (key, value) in fields {
        let key = key.as_ref();
        let hidden = json.redactor().hides(key);
        json.field(key, |json| {
            if hidden {
                json.hidden(|json| write_value(json, value));
            } else {
                write_value(json, value);
            }
        });
    }
}

fn write_value(json: &mut Json<'_>, value: &Metadata) {
    match value {
        Metadata::Null => json.raw("null"),
        Metadata::Bool(true) => json.scalar("true"),
        Metadata::Bool(false) => json.scalar("false"),
        Metadata::Number(number) => json.scalar(&number_text(*number)),
        Metadata::String(text) => json.text(text),
        Metadata::List(items) => json.list(|json| {
            for (index, item) in items.iter().enumerate() {
                json.item(index, |json| write_value(json, item));
            }
        }),
        Metadata::Object(fields) => json.object(|json| write_fields(json, fields)),
    }
}

/// A whole number as such, although it is kept as a double.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < WHOLE {
        format!("{number:.0}")
    } else {
        serde_json::Value::from(number).to_string()
    }
}

fn write_texts<T: AsRef<str>>(json: &mut Json<'_>, key: &str, texts: impl Iterator<Item = T>) {
    let texts: Vec<T> = texts.collect();
    if texts.is_empty() {
        return;
    }
    json.field(key, |json| {
        json.list(|json| {
            for (index, text) in texts.iter().enumerate() {
                json.item(index, |json| json.text(text.as_ref()));
            }
        });
    });
}

/// One value of a name.
#[derive(Clone, Copy)]
enum Said<'d> {
    Plain(&'d str),
    With(&'d str, AppendAction),
}

fn write_headers(json: &mut Json<'_>, key: &str, headers: &[Header]) {
    let mut said: Vec<(&str, Said<'_>)> = Vec::with_capacity(headers.len());
    for header in headers {
        let name = header.name().as_str();
        let repeated = said.iter().any(|(other, _)| *other == name);
        let value = match header.append() {
            None => Said::Plain(header.value()),
            // What every second value of a name gets by itself.
            Some(AppendAction::AppendIfExistsOrAdd) if repeated => Said::Plain(header.value()),
            Some(action) => Said::With(header.value(), action),
        };
        said.push((name, value));
    }
    write_multimap(json, key, &said);
}

/// `{name: value}`, `{name: [value, ..]}` where a name has several.
fn write_multimap(json: &mut Json<'_>, key: &str, said: &[(&str, Said<'_>)]) {
    if said.is_empty() {
        return;
    }
    let mut names: Vec<&str> = said.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    json.field(key, |json| {
        json.object(|json| {
            for name in names {
                let values = said.iter().filter(|(of, _)| *of == name);
                let values: Vec<Said<'_>> = values.map(|(_, value)| *value).collect();
                json.field(name, |json| match values.as_slice() {
                    [value] => write_said(json, name, *value),
                    values => json.list(|json| {
                        for (index, value) in values.iter().enumerate() {
                            json.item(index, |json| write_said(json, name, *value));
                        }
                    }),
                });
            }
        });
    });
}

fn write_said(json: &mut Json<'_>, name: &str, value: Said<'_>) {
    match value {
        Said::Plain(value) => json.header(name, value),
        Said::With(value, action) => json.object(|json| {
            json.string_field("append_action", action.as_str());
            json.field("value", |json| json.header(name, value));
        }),
    }
}

/// Below this every whole double is exact.
const WHOLE: f64 = 9_007_199_254_740_992.0;
