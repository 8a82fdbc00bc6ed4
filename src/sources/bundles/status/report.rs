//! A bundle's status in the words of OPA's status API.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Failure, Stage, Status, Statuses, Timings};
use crate::policy::Diagnostic;

impl Statuses {
    /// The `bundles` of OPA's status document: every bundle's, by its name.
    pub fn report(&self) -> Map<String, Value> {
        let statuses = self.0.borrow();
        let own = |status: &Status| (status.name.to_string(), status.report());
        statuses.values().map(own).collect()
    }
}

impl Status {
    /// One bundle's, as OPA's status document has it. Texts and numbers that are empty are left out,
    /// times that never were are OPA's zero time.
    pub fn report(&self) -> Value {
        let mut report = Map::new();
        let mut add = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                report.insert(key.to_owned(), value);
            }
        };
        add("name", Some(json!(self.name)));
        add(
            "active_revision",
            self.active_revision.as_ref().map(|text| json!(text)),
        );
        for (key, at) in [
            (
                "last_successful_activation",
                self.last_successful_activation,
            ),
            ("last_successful_download", self.last_successful_download),
            ("last_successful_request", self.last_successful_request),
            ("last_request", self.last_request),
        ] {
            add(
                key,
                Some(at.map_or_else(|| json!(NEVER), |at| json!(time(at)))),
            );
        }
        add("type", self.form.map(|form| json!(form.as_str())));
        add("size", self.size.map(Value::from));
        if let Some(failure) = &self.failure {
            add("code", Some(json!(Failure::CODE)));
            add("message", Some(json!(failure.message)));
            let errors: Vec<Value> = failure
                .errors
                .iter()
                .map(|error| shown(failure.stage, error))
                .collect();
            add("errors", (!errors.is_empty()).then(|| errors.into()));
            // A number, as `json.Number` of Go is written.
            add("http_code", failure.http_status.map(Value::from));
        } else {
            add("message", self.waiting.as_ref().map(|text| json!(text)));
        }
        let metrics = timers(&self.timings);
        add("metrics", (!metrics.is_empty()).then(|| metrics.into()));
        report.into()
    }
}

/// A problem in the form of the errors of OPA's compiler.
fn shown(stage: Stage, error: &Diagnostic) -> Value {
    let code = match stage {
        Stage::Compile => "rego_compile_error",
        Stage::Tests => "rego_test_error",
        Stage::Read | Stage::Patch => "bundle_read_error",
        Stage::Download | Stage::Order | Stage::Internal => Failure::CODE,
    };
    let message = match &error.hint {
        Some(hint) => format!("{} ({hint})", error.message),
        None => error.message.clone(),
    };
    let (row, col) = error.position.unwrap_or((0, 0));
    json!({
        "code": code,
        "message": message,
        "location": {"file": error.file, "row": row, "col": col},
    })
}

/// The timers OPA has for a bundle, in nanoseconds; ours stand beside them.
fn timers(timings: &Timings) -> Map<String, Value> {
    let Timings {
        download,
        read,
        compile,
        tests,
        total,
    } = *timings;
    let timers = [
        ("timer_bundle_request_ns", download),
        ("timer_rego_load_bundles_ns", read),
        ("timer_rego_module_compile_ns", compile),
        ("timer_rego_tests_ns", tests),
        ("timer_bundle_total_ns", total),
    ];
    let given = |(name, took): (&str, Option<Duration>)| {
        let nanos = u64::try_from(took?.as_nanos()).unwrap_or(u64::MAX);
        Some((name.to_owned(), nanos.into()))
    };
    timers.into_iter().filter_map(given).collect()
}

/// RFC 3339, in UTC.
pub(in crate::sources::bundles) fn time(since_epoch: Duration) -> String {
    prost_types::Timestamp {
        seconds: i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since_epoch.subsec_nanos()).unwrap_or_default(),
    }
    .to_string()
}

/// What Go writes for a time that was never set.
const NEVER: &str = "0001-01-01T00:00:00Z";
