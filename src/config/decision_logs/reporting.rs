//! `decision_logs.service`, where there, and `reporting`: how much is sent, and when.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::Value;

use super::{
    super::{
        delays,
        problem::Complaint,
        section::Section,
        value::{choice, integer, shown, text},
    },
    Context,
};
use crate::decision_log::service::{Limit, Options, Trigger};

/// The service that records are posted to, if there is one.
pub(super) fn service(
    section: &mut Section<'_>,
    context: &Context<'_>,
    console: bool,
) -> Option<Options> {
    let resource = resource(section);
    let reporting = section.section("reporting", |section| Reporting::read(section));
    // As in OPA: nothing else is told, so the default service is meant. Empty text is no name.
    let named = section.raw("service").is_some_and(|name| name != "");
    let default = !console && !context.others && context.services.default_name().is_some();
    if !named && !default {
        return None;
    }
    let service = if named {
        context.services.of(section, "service")
    } else {
        let name = context.services.default_name()?;
        context.services.called(name)
    };
    let trigger = match reporting.when {
        Some(When::By(trigger)) => Some(trigger),
        Some(When::Manual) => None,
        None => (!context.manual).then_some(Trigger::Periodic),
    };
    if trigger.is_none() {
        section.report().warn(
            "`decision_logs.reporting.trigger` is `manual`, and nothing here triggers it: no record is sent",
        );
    }
    Some(Options {
        service: service?,
        resource,
        upload_bytes: reporting.upload_bytes,
        limit: reporting.limit,
        min_delay: reporting.min_delay,
        max_delay: reporting.max_delay,
        most_per_second: reporting.most_per_second,
        trigger: trigger?,
        spill: context.ours.spill.clone(),
    })
}

/// Where to, below the URL of the service; never elsewhere.
fn resource(section: &mut Section<'_>) -> String {
    if section.raw("resource_path").is_some() {
        section.warn(
            "resource_path",
            "has no effect, in OPA neither: it is called `resource`",
        );
    }
    let resource = section.value("resource", path);
    let partition = section.value("partition_name", path);
    match partition.unwrap_or_default() {
        "" => resource.unwrap_or("logs").to_owned(),
        // As in OPA it wins.
        partition => format!("logs/{partition}"),
    }
}

fn path(value: &Value) -> Result<&str, Complaint> {
    let given = text(value)?;
    let path = given.trim_matches('/');
    let hostile = path.contains(|c: char| c.is_control() || "#\\".contains(c));
    if hostile
        || path
            .split(['/', '?'])
            .any(|part| matches!(part, "." | ".."))
    {
        let message = format!("`{}` is no path below a service", shown(given));
        return Err(Complaint::new(message));
    }
    Ok(path)
}

/// `reporting.trigger`.
#[derive(Clone, Copy)]
enum When {
    /// When somebody says so, which nobody does here.
    Manual,
    By(Trigger),
}

/// `reporting`.
struct Reporting {
    upload_bytes: usize,
    limit: Limit,
    min_delay: Duration,
    max_delay: Duration,
    most_per_second: Option<f64>,
    when: Option<When>,
}

impl Reporting {
    fn read(section: &mut Section<'_>) -> Self {
        let (min_delay, max_delay) = delays(section);
        let limit = limit(section);
        let rate = section.value("max_decisions_per_second", rate);
        let both = section.given(&["buffer_size_limit_bytes", "max_decisions_per_second"]);
        if both.len() > 1 {
            let complaint = Complaint::new("cannot stand beside `buffer_size_limit_bytes`");
            section.problem("max_decisions_per_second", complaint);
        }
        Self {
            upload_bytes: upload_bytes(section),
            limit,
            min_delay,
            max_delay,
            most_per_second: rate,
            when: section.value("trigger", choice(TRIGGERS)),
        }
    }
}

fn limit(section: &mut Section<'_>) -> Limit {
    let by_events = section
        .value("buffer_type", choice(BUFFERS))
        .unwrap_or(false);
    let bytes = section.value("buffer_size_limit_bytes", integer(1..=MOST_BYTES));
    let events = section.value("buffer_size_limit_events", integer(1..=MOST_EVENTS));
    let (other, of) = if by_events {
        ("buffer_size_limit_bytes", "event")
    } else {
        ("buffer_size_limit_events", "size")
    };
    if section.raw(other).is_some() {
        let message = format!("cannot stand beside the `buffer_type` `{of}`");
        section.problem(other, Complaint::new(message));
    }
    if by_events {
        Limit::Records(events.unwrap_or(DEFAULT_EVENTS))
    } else {
        Limit::Bytes(bytes.unwrap_or(DEFAULT_BYTES))
    }
}

/// As newer versions of OPA: what is out of bounds is the nearest bound.
fn upload_bytes(section: &mut Section<'_>) -> usize {
    let given = section.value(UPLOAD, integer(0..=usize::MAX));
    let given = given.unwrap_or(DEFAULT_UPLOAD);
    let used = given.clamp(*UPLOAD_BYTES.start(), *UPLOAD_BYTES.end());
    if used != given {
        section.warn(UPLOAD, &format!("is out of bounds: {used} is used"));
    }
    used
}

/// The pause between two uploads is between these.
fn delays(section: &mut Section<'_>) -> (Duration, Duration) {
    let (min, max) = delays::read(section, DELAY);
    (
        min.unwrap_or(DEFAULT_MIN_DELAY),
        max.unwrap_or(DEFAULT_MAX_DELAY),
    )
}

fn rate(value: &Value) -> Result<f64, Complaint> {
    let wrong = || Complaint::wrong_type("a number", value);
    let rate = value.as_f64().ok_or_else(wrong)?;
    if !(0.0..=1e9).contains(&rate) {
        return Err(Complaint::new(format!("`{rate}` must be from 0 to 1e9")));
    }
    Ok(rate)
}

const TRIGGERS: &[(&str, When)] = &[
    ("periodic", When::By(Trigger::Periodic)),
    ("manual", When::Manual),
    ("immediate", When::By(Trigger::Immediate)),
];
const BUFFERS: &[(&str, bool)] = &[("size", false), ("event", true)];
/// OPA has no bounds; without a pause what is there is sent.
const DELAY: RangeInclusive<u64> = 0..=604_800;
const DEFAULT_MIN_DELAY: Duration = Duration::from_mins(5);
const DEFAULT_MAX_DELAY: Duration = Duration::from_mins(10);
const UPLOAD: &str = "upload_size_limit_bytes";
const UPLOAD_BYTES: RangeInclusive<usize> = 90..=4_294_967_296;
const DEFAULT_UPLOAD: usize = 32_768;
/// In OPA there is none.
const DEFAULT_BYTES: usize = 64 * 1024 * 1024;
const MOST_BYTES: usize = 1 << 40;
const DEFAULT_EVENTS: usize = 10_000;
const MOST_EVENTS: usize = 10_000_000;
