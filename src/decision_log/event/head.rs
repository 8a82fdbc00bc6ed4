//! What stands at the beginning of every event: the labels, the ids and the policy.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    digest::hex,
    policy::Provenance,
    redact::json::Json,
    telemetry::{Record, Trace},
};

/// Writes it. What is the same for all checks of one policy is kept as text.
#[derive(Debug)]
pub(super) struct Head {
    /// The labels, as JSON.
    labels: String,
    policy: Option<(Arc<Provenance>, OfPolicy)>,
}

/// What is told of a policy, as JSON.
#[derive(Debug)]
struct OfPolicy {
    bundles: Option<String>,
    /// Which key, and its value.
    asked: (&'static str, String),
}

impl Head {
    pub(super) fn new(labels: &BTreeMap<String, String>) -> Self {
        Self {
            labels: serde_json::json!(labels).to_string(),
            policy: None,
        }
    }

    pub(super) fn write(&mut self, json: &mut Json<'_>, record: &Record) {
        json.raw_field("labels", &self.labels);
        json.string_field("decision_id", record.decision_id.as_str());
        if let Some(Trace {
            trace_id, span_id, ..
        }) = &record.trace
        {
            json.string_field("trace_id", &hex(trace_id));
            json.string_field("span_id", &hex(span_id));
        }
        let Some(policy) = &record.policy else { return };
        let known = matches!(&self.policy, Some((known, _)) if Arc::ptr_eq(known, policy));
        if !known {
            self.policy = Some((Arc::clone(policy), OfPolicy::new(policy)));
        }
        if let Some((_, told)) = &self.policy {
            if let Some(bundles) = &told.bundles {
                json.raw_field("bundles", bundles);
            }
            let (key, value) = &told.asked;
            json.string_field(key, value);
        }
    }
}

impl OfPolicy {
    fn new(policy: &Provenance) -> Self {
        let bundles = policy.bundles.iter().map(|(name, revision)| {
            let mut bundle = serde_json::Map::new();
            if let Some(revision) = revision {
                bundle.insert("revision".to_owned(), revision.as_str().into());
            }
            (name.to_string(), bundle.into())
        });
        let bundles: serde_json::Map<_, _> = bundles.collect();
        let asked = match as_path(&policy.entrypoint) {
            Some(path) => ("path", path),
            None => ("query", policy.entrypoint.clone()),
        };
        Self {
            bundles: (!bundles.is_empty()).then(|| serde_json::Value::from(bundles).to_string()),
            asked,
        }
    }
}

/// A reference below `data` as the configuration writes it: `envoy/authz/allow`.
fn as_path(reference: &str) -> Option<String> {
    let mut rest = reference.strip_prefix("data")?;
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[") {
            let mut strings = serde_json::Deserializer::from_str(after).into_iter::<String>();
            segments.push(strings.next()?.ok()?);
            rest = after.get(strings.byte_offset()..)?.strip_prefix(']')?;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (segment, after) = after.split_at(end);
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if segment.is_empty() || !segment.chars().all(plain) {
                return None;
            }
            segments.push(segment.to_owned());
            rest = after;
        }
    }
    (!segments.is_empty()).then(|| segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_the_path_that_was_configured_and_anything_else_a_query() {
        for (reference, path) in [
            ("data.envoy.authz.allow", Some("envoy/authz/allow")),
            (r#"data.a["b-c"].d"#, Some("a/b-c/d")),
            (r#"data["a.b"]"#, Some("a.b")),
            ("data.a.b = x", None),
            ("data.a[x]", None),
            ("data", None),
            ("input.x", None),
            ("datax.a", None),
        ] {
            assert_eq!(as_path(reference).as_deref(), path, "{reference}");
        }
    }
}
