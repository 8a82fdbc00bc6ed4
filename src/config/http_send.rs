//! `portcullis.http_send`: where policies may send with `http.send`, and how much.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use serde_json::Value;

use crate::http_send::{BreakerOptions, Options, Origin};

use super::{
    problem::Complaint,
    section::Section,
    value::{duration, integer, path, shown, text},
};

pub(super) fn read(section: &mut Section<'_>) -> Options {
    let default = Options::default();
    let allow = section.list("allow", origins).unwrap_or_default();
    let allow: BTreeSet<Origin> = allow.into_iter().flatten().collect();
    if allow.len() > MOST_ORIGINS {
        let message = format!("{} origins; {MOST_ORIGINS} are the most", allow.len());
        section.problem("allow", Complaint::new(message));
    }
    Options {
        allow: allow.into_iter().collect(),
        timeout: section
            .value("timeout", duration(TIMEOUT))
            .unwrap_or(default.timeout),
        max_response_bytes: section
            .value("max_response_bytes", integer(BODY_BYTES))
            .unwrap_or(default.max_response_bytes),
        max_request_bytes: section
            .value("max_request_bytes", integer(BODY_BYTES))
            .unwrap_or(default.max_request_bytes),
        max_in_flight: section
            .value("max_in_flight", integer(1..=MOST_IN_FLIGHT))
            .unwrap_or(default.max_in_flight),
        max_in_flight_per_host: section
            .value("max_in_flight_per_host", integer(1..=MOST_IN_FLIGHT))
            .unwrap_or(default.max_in_flight_per_host),
        cache_bytes: section
            .value("cache_bytes", integer(0..=MOST_CACHE_BYTES))
            .unwrap_or(default.cache_bytes),
        stale_if_error: section.value("stale_if_error", duration(STALE)),
        breaker: section.section("breaker", breaker),
        tls_files: section.list("tls_files", path).unwrap_or_default(),
    }
}

fn breaker(section: &mut Section<'_>) -> BreakerOptions {
    let default = BreakerOptions::default();
    BreakerOptions {
        failures: section
            .value("failures", integer(FAILURES))
            .unwrap_or(default.failures),
        delay: section
            .value("delay", duration(DELAY))
            .unwrap_or(default.delay),
    }
}

fn origins(value: &Value) -> Result<Vec<Origin>, Complaint> {
    let entry = text(value)?;
    Origin::of_entry(entry).map_err(|error| {
        Complaint::new(format!("`{}` {error}", shown(entry))).hint(
            "write it like `opa.internal`, `opa.internal:8443` or `https://opa.internal:8443`",
        )
    })
}

/// Each has a breaker and metrics of its own.
const MOST_ORIGINS: usize = 256;
const MOST_IN_FLIGHT: usize = 65_536;
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(1);
const BODY_BYTES: RangeInclusive<usize> = 1024..=64 * 1024 * 1024;
const MOST_CACHE_BYTES: u64 = 16 * 1024 * 1024 * 1024;
const STALE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);
const FAILURES: RangeInclusive<u32> = 1..=1_000_000;
const DELAY: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(10);
