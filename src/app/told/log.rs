//! The decision log that the configuration asks for: what is in a record, and who gets it.

use std::{io, sync::Arc};

use tokio::runtime::Handle;

use super::Told;
use crate::{
    clock::Clock,
    config::{Config, DecisionLogs},
    decision_log::{
        DecisionLog, Sink, console::Console, event, file::LogFile, otlp::Otlp, service::ServiceSink,
    },
    identity::jwt::Location,
    redact::{Secret, credentials},
    status,
    telemetry::Metrics,
};

/// The log; `None`: nobody gets records. Within a runtime, on which sinks send.
pub(super) fn start(told: &Told<'_>) -> io::Result<Option<DecisionLog>> {
    let Some(logs) = &told.config.decision_logs else {
        return Ok(None);
    };
    let sinks = sinks(logs, told.id, told.metrics)?;
    let (active, metrics) = (told.active.clone(), Arc::clone(told.metrics));
    let options = options(told, logs);
    Ok(Some(DecisionLog::new(
        options,
        sinks,
        active,
        metrics,
        &told.interest,
    )))
}

/// Those that are ready soonest come first: at the end each may take until the same deadline.
fn sinks(logs: &DecisionLogs, id: &str, metrics: &Arc<Metrics>) -> io::Result<Vec<Box<dyn Sink>>> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if logs.console {
        sinks.push(Box::new(Console::start(Arc::clone(metrics))?));
    }
    if let Some(file) = &logs.file {
        let file = LogFile::start(file.clone(), Arc::clone(metrics))?;
        sinks.push(Box::new(file));
    }
    if let Some(collector) = &logs.otlp {
        let collector = collector.clone().of_instance(id);
        sinks.push(Box::new(Otlp::start(collector, metrics, Clock::System)?));
    }
    if let Some(service) = &logs.service {
        let service = ServiceSink::start(service, Handle::current(), Arc::clone(metrics))?;
        sinks.push(Box::new(service));
    }
    Ok(sinks)
}

fn options(told: &Told<'_>, logs: &DecisionLogs) -> event::Options {
    event::Options {
        labels: status::labels(&told.config.labels, told.id),
        input: told.input.clone(),
        mask: Some(logs.mask_decision.clone()),
        drop: Some(logs.drop_decision.clone()),
        nd_builtin_cache: logs.nd_builtin_cache,
        request_context_headers: logs.request_context_headers.clone(),
        sample_allowed: logs.sample_allowed,
        redact: redaction(told.config),
        rules: logs.rules,
    }
}

/// What is asked for, and wherever providers look for tokens. Cookies are hidden as a whole.
pub(crate) fn redaction(config: &Config) -> credentials::Options {
    let asked = config.decision_logs.as_ref().map(|logs| &logs.redact);
    let mut options = asked.map_or_else(credentials::Options::default, |asked| {
        let key = asked.key.as_ref();
        credentials::Options {
            headers: asked.headers.clone(),
            parameters: asked.parameters.clone(),
            key: key.map(|key| Secret::new(key.expose().clone().into_bytes())),
            off: asked.off,
        }
    });
    let providers = config.portcullis.jwt.verifier.providers.iter();
    for location in providers.flat_map(|provider| &provider.locations) {
        match location {
            Location::Header { name, .. } => options.headers.push(name.to_string()),
            Location::Param(name) => options.parameters.push(name.to_string()),
            Location::Cookie(_) => {}
        }
    }
    options
}
