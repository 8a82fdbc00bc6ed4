//! What is active, for people.

use serde_json::{Map, Value, json};

use crate::{
    policy::{Engine, Policy},
    sources::bundles::status::Status,
};

/// What `/policy` shows besides bundles.
pub(super) fn status(
    active: Option<&Policy>,
    source: &str,
    activated_at: Option<u64>,
    error: Option<&str>,
) -> Map<String, Value> {
    let mut status = active.map_or_else(|| entries([("active", false.into())]), describe);
    status.extend(entries([
        ("source", source.into()),
        ("last_activation", activated_at.into()),
        ("last_error", error.into()),
    ]));
    status
}

/// Where each bundle stands, in short: what is active of it, and why nothing newer is.
pub fn bundles(statuses: &[Status]) -> Map<String, Value> {
    let shown = |status: &Status| {
        let mut shown = entries([
            ("active", status.active.into()),
            ("revision", json!(status.active_revision)),
            ("source", json!(status.place)),
        ]);
        let seconds = |at: std::time::Duration| at.as_secs();
        shown.extend(entries([
            (
                "last_activation",
                status.last_successful_activation.map(seconds).into(),
            ),
            (
                "last_heard",
                status.last_successful_request.map(seconds).into(),
            ),
        ]));
        if let Some(failure) = &status.failure {
            let error = json!({"stage": failure.stage.as_str(), "message": failure.message});
            shown.insert("error".to_owned(), error);
        }
        if let Some(waiting) = &status.waiting {
            shown.insert("waiting".to_owned(), json!(waiting));
        }
        if let Some(key) = &status.signed_by {
            shown.insert("signed_by".to_owned(), json!(key));
        }
        (status.name.to_string(), shown.into())
    };
    statuses.iter().map(shown).collect()
}

/// What a policy is made of, as `/policy` and `portcullis inspect` show it.
pub fn describe(policy: &Policy) -> Map<String, Value> {
    let summary = policy.summary();
    let reads: Vec<_> = policy
        .reads()
        .to_string()
        .lines()
        .map(str::to_owned)
        .collect();
    let interpreted: Vec<_> = policy
        .interpreted_because()
        .iter()
        .map(|why| match why.position {
            Some((line, column)) => format!("{}:{line}:{column}: {}", why.file, why.message),
            None => why.message.clone(),
        })
        .collect();
    let engine = match policy.engine() {
        Engine::Rvm => "rvm",
        Engine::Interpreter => "interpreter",
    };
    entries([
        ("active", true.into()),
        ("revision", json!(policy.revision())),
        ("entrypoint", json!(summary.entrypoint)),
        ("packages", json!(summary.packages)),
        ("modules", json!(summary.modules)),
        ("rules", json!(summary.rules)),
        ("sends", summary.sends.into()),
        ("nondeterministic", json!(summary.nondeterministic)),
        ("engine", engine.into()),
        ("interpreted_because", interpreted.into()),
        ("reads", reads.into()),
    ])
}

fn entries<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    let own = |(key, value): (&str, Value)| (key.to_owned(), value);
    entries.into_iter().map(own).collect()
}
