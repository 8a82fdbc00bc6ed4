//! `status`: where reports about the bundles go.

use super::{
    bundles::trigger,
    problem::Complaint,
    section::Section,
    services::Services,
    value::{shown, text},
};
use crate::status::Options;

/// What `status` asks for; `None` when nobody is to be told.
pub(super) fn read(root: &mut Section<'_>, services: &Services, manual: bool) -> Option<Options> {
    root.optional_section("status", |section| status(section, services, manual))
        .flatten()
}

fn status(section: &mut Section<'_>, services: &Services, manual: bool) -> Option<Options> {
    let console = section.flag("console");
    let prometheus = section.flag("prometheus");
    if section.raw("prometheus_config").is_some() {
        let text = "has no effect: the metrics of bundles have no buckets to choose";
        section.warn("prometheus_config", text);
    }
    if section.raw("plugin").is_some() {
        let complaint =
            Complaint::new("plugins of OPA cannot be used").hint("use `service` or `console`");
        section.problem("plugin", complaint);
    }
    let partition = section.value("partition_name", text).unwrap_or_default();
    let partition = partition.trim_matches('/');
    if partition.contains(|c: char| c.is_control() || "?#\\".contains(c))
        || partition.split('/').any(|part| matches!(part, "." | ".."))
    {
        let message = format!("`{}` is no part of a path", shown(partition));
        section.problem("partition_name", Complaint::new(message));
    }
    let manual = trigger(section).unwrap_or(manual);
    // As in OPA, the default service is meant only where nobody else is told.
    let asked = section.raw("service").is_some()
        || !console && !prometheus && services.default_name().is_some();
    let service = asked.then(|| services.of(section, "service")).flatten();
    if manual && service.is_some() {
        let text = "is `manual`, and nothing here triggers it: no report is sent";
        section.warn("trigger", text);
    }
    let service = service.filter(|_| !manual);
    let wanted = service.is_some() || console || prometheus;
    wanted.then(|| Options {
        service,
        partition: partition.to_owned(),
        console,
        prometheus,
    })
}
