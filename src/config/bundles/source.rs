//! Where one bundle comes from, and how often it is asked for.

use std::{ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use super::super::{
    delays,
    discovery::NAME as DISCOVERY,
    problem::Complaint,
    section::Section,
    services::{Services, is_bucket},
    value::{choice, integer, shown},
};
use crate::{
    services::Service,
    sources::bundles::{Kind, Polling},
};

/// The source that `resource` and `service` name; `None` when they are reported as wrong.
pub(in crate::config) fn from(
    section: &mut Section<'_>,
    services: &Services,
    resource: &str,
) -> Option<Kind> {
    if let Some(path) = resource.strip_prefix("file://") {
        // As in OPA, what it says does not matter.
        section.raw("service");
        if path.is_empty() || path.contains('\0') {
            section.problem("resource", Complaint::new("`file://` names no file"));
            return None;
        }
        return Some(Kind::File(PathBuf::from(path)));
    }
    if resource.contains("://") {
        let message = format!("`{}` is an address", shown(resource));
        let complaint = Complaint::new(message)
            .hint("put scheme and host into `services`, and name that service here");
        section.problem("resource", complaint);
        section.raw("service");
        return None;
    }
    let service = services.of(section, "service")?;
    if let Some(complaint) = resource_complaint(&service, resource) {
        section.problem("resource", complaint);
        return None;
    }
    let resource = resource.to_owned();
    Some(if service.oci {
        Kind::Oci {
            service,
            reference: resource,
        }
    } else if is_bucket(&service.url) {
        Kind::Object { service, resource }
    } else {
        Kind::Http { service, resource }
    })
}

fn resource_complaint(service: &Arc<Service>, resource: &str) -> Option<Complaint> {
    if resource.trim_matches('/').is_empty() {
        return Some(Complaint::new("is empty"));
    }
    if resource.contains(|c: char| c.is_control()) {
        return Some(Complaint::new("holds control characters"));
    }
    let up = resource.split(['/', '?', '#']).any(|part| part == "..");
    (up && !service.oci)
        .then(|| Complaint::new(format!("`{}` leaves the service's path", shown(resource))))
}

/// Why a bundle cannot be called so: names are parts of file names and of metrics.
///
/// With `discovery` that bundle's own name is taken.
pub(super) fn name_complaint(name: &str, discovery: bool) -> Option<Complaint> {
    let rule = if name.is_empty() {
        "the name is empty"
    } else if name.len() > LONGEST_NAME {
        "the name is longer than 255 bytes, and so than that of a file may be"
    } else if name.contains(|c: char| c.is_control() || c == '\\') {
        "the name holds a backslash or a control character"
    } else if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "the name must not have empty parts, `.` and `..`"
    } else if discovery && name == DISCOVERY {
        "the name is that of the discovery bundle"
    } else {
        return None;
    };
    Some(Complaint::new(rule))
}

/// `polling`, with OPA's defaults; both delays are given or none.
pub(in crate::config) fn polling(section: &mut Section<'_>) -> Polling {
    let default = Polling::default();
    section.section("polling", |section| {
        let (min, max) = delays::read(section, DELAY);
        let wait = section.value("long_polling_timeout_seconds", integer(LONG_POLL));
        Polling {
            min_delay: min.unwrap_or(default.min_delay),
            max_delay: max.unwrap_or(default.max_delay),
            long_polling_timeout: wait.map(Duration::from_secs),
        }
    })
}

/// Whether `trigger` says that nothing is asked again; `None` when it says nothing.
pub(in crate::config) fn trigger(section: &mut Section<'_>) -> Option<bool> {
    section.value("trigger", choice(TRIGGERS))
}

const TRIGGERS: &[(&str, bool)] = &[("periodic", false), ("manual", true)];
/// OPA has no bounds; a request without a pause is for long polling.
const DELAY: RangeInclusive<u64> = 1..=604_800;
const LONG_POLL: RangeInclusive<u64> = 1..=3600;
const LONGEST_NAME: usize = 255;
