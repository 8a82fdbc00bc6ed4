//! One entry of `portcullis.jwt.providers`.
//!
//! What is wrong is reported and then read as its default: a configuration with a problem is never
//! used.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::Value;

use crate::identity::{
    jose::Algorithm,
    jwt::{OnFailure, Provider},
};

use super::{
    super::{
        problem::Complaint,
        section::Section,
        value::{boolean, choice, duration, shown, text},
    },
    Entry, Taken, algorithm, keys, location, refresh,
};

pub(super) fn read(section: &mut Section<'_>, budget: Duration, taken: &mut Taken) -> Entry {
    let name = section.required("name", name);
    if let Some(name) = name {
        taken.name(section, "name", name);
    }
    let issuer = section.required("issuer", issuer);
    if let Some(issuer) = issuer {
        taken.issuer(section, "issuer", issuer);
    }
    let algorithms = algorithm::read(section);
    let refresh = refresh::Refresh::read(section);
    let kind = keys::read(section, algorithms.as_deref(), issuer);
    let provider = Provider {
        audiences: read_audiences(section),
        secret: algorithm::read_secret(section, algorithms.as_deref()),
        locations: location::read(section),
        clock_skew: section
            .value("clock_skew", duration(CLOCK_SKEW))
            .unwrap_or(Provider::CLOCK_SKEW),
        max_lifetime: section.value("max_lifetime", duration(LIFETIME)),
        require_exp: section.value("require_exp", boolean).unwrap_or(true),
        required_claims: section.list("required_claims", word).unwrap_or_default(),
        typ: section.value("typ", word),
        space_delimited_claims: section
            .list("space_delimited_claims", word)
            .unwrap_or_default()
            .into(),
        on_missing: section
            .value("on_missing", choice(ON_FAILURE))
            .unwrap_or_default(),
        on_invalid: section
            .value("on_invalid", choice(ON_FAILURE))
            .unwrap_or_default(),
        strip_on_allow: section.flag("strip_on_allow"),
        wait_for_key: read_wait(section, budget),
        min_refresh: refresh.min(),
        algorithms: algorithms.unwrap_or_else(Algorithm::asymmetric),
        ..Provider::new(name.unwrap_or_default(), issuer.unwrap_or_default())
    };
    let source = refresh.source(section, kind);
    (provider, source)
}

fn name(value: &Value) -> Result<&str, Complaint> {
    let name = text(value)?;
    if is_name(name) {
        return Ok(name);
    }
    let message = format!("`{}` is not a provider's name", shown(name));
    let hint = "write 1 to 63 of the characters A-Z, a-z, 0-9, `.`, `_` and `-`";
    Err(Complaint::new(message).hint(hint))
}

/// Whether this can be a provider's name, which is a label in metrics and a file's name.
fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_name_character)
}

pub(super) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// The issuer, compared with `iss` as it is.
pub(super) fn issuer(value: &Value) -> Result<&str, Complaint> {
    bounded(value, LONGEST_ISSUER)
}

fn read_audiences(section: &mut Section<'_>) -> Vec<String> {
    if section.raw("audiences").and_then(Value::as_array) == Some(&Vec::new()) {
        let complaint = Complaint::new("an empty list names no audience");
        let hint = "leave the key out to accept tokens for anybody";
        section.problem("audiences", complaint.hint(hint));
    }
    section.list("audiences", audience).unwrap_or_default()
}

pub(super) fn audience(value: &Value) -> Result<String, Complaint> {
    bounded(value, LONGEST_ISSUER).map(str::to_owned)
}

/// The name of a claim or a media type.
pub(super) fn word(value: &Value) -> Result<String, Complaint> {
    bounded(value, LONGEST_WORD).map(str::to_owned)
}

fn bounded(value: &Value, most: usize) -> Result<&str, Complaint> {
    match text(value)? {
        "" => Err(Complaint::new("is empty")),
        text if text.len() > most => Err(Complaint::new(format!("has more than {most} bytes"))),
        text => Ok(text),
    }
}

fn read_wait(section: &mut Section<'_>, budget: Duration) -> Duration {
    let wait = section
        .value("wait_for_key", duration(Duration::ZERO..=LONGEST_WAIT))
        .unwrap_or_default();
    if wait >= budget {
        let message = format!("`{wait:?}` must be less than the budget `{budget:?}`");
        section.problem("wait_for_key", Complaint::new(message));
    }
    wait
}

const ON_FAILURE: &[(&str, OnFailure)] =
    &[("policy", OnFailure::Policy), ("deny", OnFailure::Deny)];
pub(super) const LONGEST_NAME: usize = 63;
/// Longest issuer or audience in bytes: as long as URLs get.
const LONGEST_ISSUER: usize = 2048;
/// Longest name of a claim in bytes.
const LONGEST_WORD: usize = 256;
const CLOCK_SKEW: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(10);
const LIFETIME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(366 * 24);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
