//! `nd_builtin_cache`: what functions have given to this check that give something else each time, by
//! name and by the JSON text of their arguments.

use std::collections::BTreeMap;

use crate::{
    input::{
        Value,
        logged::{MOST_BYTES, write_value},
    },
    policy::Externals,
    redact::json::Json,
};

/// Writes it, if there is anything in it.
pub(super) fn write(json: &mut Json<'_>, externals: &Externals) {
    let mut calls: BTreeMap<&str, Vec<(&[Value], &Value)>> = BTreeMap::new();
    for (request, answer) in externals.answers() {
        if let Ok(response) = answer {
            let arguments = std::slice::from_ref(request);
            calls
                .entry("http.send")
                .or_default()
                .push((arguments, response));
        }
    }
    for (function, arguments, value) in externals.seen() {
        calls.entry(function).or_default().push((arguments, value));
    }
    if calls.is_empty() {
        return;
    }
    json.field("nd_builtin_cache", |json| {
        json.bounded(MOST_BYTES, |json| {
            json.object(|json| {
                for (function, calls) in calls {
                    json.field(function, |json| {
                        json.object(|json| calls.iter().for_each(|call| write_call(json, *call)));
                    });
                }
            });
        });
    });
}

fn write_call(json: &mut Json<'_>, (arguments, value): (&[Value], &Value)) {
    let mut key = Json::new(json.redactor(), 256);
    key.list(|key| {
        for (index, argument) in arguments.iter().enumerate() {
            key.item(index, |key| write_value(key, argument));
        }
    });
    if !key.redacted().is_empty() {
        json.note();
    }
    let key = key.into_bytes();
    // Without credentials already; looked at once more, the JSON around them would seem to be one.
    json.field_as_is(&String::from_utf8_lossy(&key), |json| {
        write_value(json, value);
    });
}
