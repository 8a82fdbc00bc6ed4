//! `portcullis`: what OPA's schema has no place for.

use super::nanoseconds;
use crate::{
    outcome::Stage,
    policy::{Engine, Location},
    redact::json::Json,
    telemetry::{Recorded, RecordedToken},
};

/// The definitions that gave the decision.
pub type Rules = Vec<Location>;

/// Writes it.
pub(super) fn write(json: &mut Json<'_>, recorded: &Recorded<'_>, rules: Option<&Rules>) {
    let record = recorded.record;
    json.object(|json| {
        json.string_field("outcome", record.answered().as_str());
        json.string_field("reason", record.reason().as_str());
        if let Some(stage) = record.budget_stage() {
            json.string_field("stage", stage.as_str());
        }
        if record.dry_run {
            json.raw_field("dry_run", "true");
            json.string_field("would", record.answer().as_str());
        }
        if let Some(shed) = record.shed {
            json.number_field("shed", i64::try_from(shed).unwrap_or(i64::MAX));
        }
        write_caller(json, recorded);
        if let Some(token) = &record.token {
            json.field("token", |json| write_token(json, token));
        }
        if let Some(policy) = &record.policy {
            json.string_field("revision", &policy.revision);
            let engine = match policy.engine {
                Engine::Rvm => "rvm",
                Engine::Interpreter => "interpreter",
            };
            json.string_field("engine", engine);
        }
        if let Some(rules) = rules {
            json.field("rules", |json| write_rules(json, rules));
        }
        json.field("stages", |json| {
            json.object(|json| {
                for stage in Stage::ALL {
                    if let Some(time) = record.stages.get(stage) {
                        json.number_field(stage.as_str(), nanoseconds(time));
                    }
                }
            });
        });
        let redacted = json.take_redacted();
        write_places(json, "redacted", &redacted);
        let truncated = json.take_truncated();
        write_places(json, "truncated", &truncated);
    });
}

fn write_caller(json: &mut Json<'_>, recorded: &Recorded<'_>) {
    let caller = &recorded.caller;
    if caller.principal.is_empty() {
        return;
    }
    json.field("caller", |json| {
        json.object(|json| match &caller.peer {
            Some(peer) => json.text_field("spiffe", peer.id()),
            None => json.text_field("principal", caller.principal),
        });
    });
}

fn write_token(json: &mut Json<'_>, token: &RecordedToken) {
    json.object(|json| {
        if let Some(provider) = &token.provider {
            json.string_field("provider", provider);
        }
        match &token.verified {
            Ok(verified) => {
                json.text_field("issuer", &verified.token.issuer);
                if let Some(subject) = &verified.token.subject {
                    json.text_field("subject", subject);
                }
            }
            Err(error) => json.string_field("error", error.as_str()),
        }
        json.raw_field("cached", if token.cached { "true" } else { "false" });
    });
}

fn write_rules(json: &mut Json<'_>, rules: &Rules) {
    json.list(|json| {
        for (index, location) in rules.iter().enumerate() {
            json.item(index, |json| {
                json.object(|json| {
                    json.string_field("rule", &location.rule);
                    json.string_field("file", &location.file);
                    json.number_field("row", location.row);
                    if location.default {
                        json.raw_field("default", "true");
                    }
                });
            });
        }
    });
}

/// Where credentials were taken out, or what was too long.
fn write_places(json: &mut Json<'_>, key: &str, places: &[Box<str>]) {
    if places.is_empty() {
        return;
    }
    json.field(key, |json| {
        json.list(|json| {
            for (index, place) in places.iter().enumerate() {
                json.item(index, |json| json.string(place));
            }
        });
    });
}
