//! `discovery`: a bundle whose data is a configuration, and what may come from it.
//!
//! Promises that what was given at the start always wins, and that what decides whom to believe
//! (`discovery` itself, the service it comes from, the keys that verify it) never comes from it.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    bundles::{Given, from, polling, trigger},
    problem::{Complaint, join},
    section::Section,
    value::text,
};
use crate::sources::bundles::Source;

/// The section `discovery`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The bundle; its name is `discovery`.
    pub source: Source,
    /// `decision`: where in its `data` the configuration is; none: at the root.
    pub decision: Vec<String>,
}

/// The parts of `discovery` that others depend on.
pub(super) fn is_manual(root: &mut Section<'_>) -> bool {
    let section = root.raw("discovery");
    let trigger = section.and_then(|section| section.get("trigger"));
    trigger.and_then(Value::as_str) == Some("manual")
}

/// `discovery`, if it is there and right.
pub(super) fn read(root: &mut Section<'_>, given: Given<'_>) -> Option<Discovery> {
    root.optional_section("discovery", |section| discovery(section, given))
        .flatten()
}

fn discovery(section: &mut Section<'_>, given: Given<'_>) -> Option<Discovery> {
    let resource = section.value("resource", text);
    let name = section.value("name", text).filter(|name| !name.is_empty());
    let prefix = section.value("prefix", text).unwrap_or("bundles");
    let resource = match (resource, name) {
        (Some(resource), _) => resource.to_owned(),
        (None, Some(name)) => {
            let path = [prefix.trim_matches('/'), name.trim_matches('/')].join("/");
            path.trim_matches('/').to_owned()
        }
        (None, None) => {
            section.problem("resource", Complaint::new("is missing"));
            String::new()
        }
    };
    let decision = section.value("decision", text).or(name).unwrap_or_default();
    let segments = decision.split(['/', '.']).filter(|part| !part.is_empty());
    let persist = section.flag("persist");
    let kind = if resource.is_empty() {
        section.raw("service");
        None
    } else {
        from(section, given.services, &resource)
    };
    Some(Discovery {
        decision: segments.map(str::to_owned).collect(),
        source: Source {
            name: NAME.into(),
            polling: polling(section),
            manual: trigger(section).unwrap_or(false),
            persist: persist.then(|| Path::to_owned(given.persistence)),
            limits: given.ours.of_all().limits(),
            verification: given.keys.verification(section),
            monotonic: None,
            run_tests: false,
            max_age: None,
            kind: kind?,
        },
    })
}

/// What a discovered configuration may hold.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Both together.
    pub(super) document: Map<String, Value>,
    /// Keys of the discovered one that those of the start stand over.
    pub(super) overridden: Vec<String>,
    /// Keys of the discovered one that it must not change.
    pub(super) forbidden: Vec<String>,
    /// Sections of the discovered one that need a restart.
    pub(super) not_applied: Vec<String>,
}

/// Lays `boot`, the configuration of the start, over `found`.
pub(super) fn merge(boot: &Value, found: &Map<String, Value>) -> Merged {
    let mut merged = Merged {
        document: boot.as_object().cloned().unwrap_or_default(),
        ..Merged::default()
    };
    for (name, section) in found.iter().filter(|(_, section)| !section.is_null()) {
        if name == "discovery" {
            merged.forbidden.push(name.clone());
            continue;
        }
        if !DISCOVERED.contains(&name.as_str()) {
            if merged.document.get(name) != Some(section) {
                merged.not_applied.push(join("", name));
            }
            continue;
        }
        let section = if name == "services" {
            by_name(section)
        } else {
            section.clone()
        };
        let own = merged.document.remove(name).unwrap_or(Value::Null);
        let own = if name == "services" {
            by_name(&own)
        } else {
            own
        };
        let replaced = if TRUSTED.contains(&name.as_str()) {
            &mut merged.forbidden
        } else {
            &mut merged.overridden
        };
        let both = over(own, section, name, replaced);
        merged.document.insert(name.clone(), both);
    }
    merged
}

/// A list of services as a mapping; what has no name stays for the reader to complain about.
fn by_name(services: &Value) -> Value {
    let Some(list) = services.as_array() else {
        return services.clone();
    };
    let named = |service: &Value| {
        let name = service.get("name").and_then(Value::as_str)?;
        Some((name.to_owned(), service.clone()))
    };
    let named: Option<Map<String, Value>> = list.iter().map(named).collect();
    named.map_or_else(|| services.clone(), Value::Object)
}

/// `own` where it says something, `found` where it does not; mappings are laid over each other down
/// to one entry, which is one or the other: half a service of each would be neither's.
fn over(own: Value, found: Value, name: &str, overridden: &mut Vec<String>) -> Value {
    match (own, found) {
        (Value::Null, found) => found,
        (Value::Object(own), Value::Object(mut found)) => {
            for (key, value) in own {
                let replaced = found.insert(key.clone(), value.clone());
                if replaced.is_some_and(|replaced| replaced != value) {
                    overridden.push(join(name, &key));
                }
            }
            Value::Object(found)
        }
        (own, found) => {
            if own != found {
                overridden.push(name.to_owned());
            }
            own
        }
    }
}

/// The name of the bundle, in status and below `persistence_directory`.
pub(super) const NAME: &str = "discovery";
/// Sections whose entries decide whom to believe: new ones may come, those of the start stay.
const TRUSTED: [&str; 2] = ["keys", "services"];
/// The sections that can change without a restart.
const DISCOVERED: [&str; 5] = ["bundles", "keys", "labels", "services", "status"];
