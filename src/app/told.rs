//! Who is told of single checks: the consumers that the configuration asks for, behind the recorder.

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    check::Active,
    config::{Config, DecisionLogs},
    decision_log::{DecisionLog, Sink, console::Console, event, file::LogFile},
    input,
    redact::{Secret, credentials},
    snapshot::Snapshot,
    telemetry::{
        Metrics, Recorder, decision_log,
        line::ProcessLog,
        recorder::{Consumer, Interest, Recording},
    },
};

/// What a decision log is made with.
pub(super) struct About<'a> {
    pub(super) config: &'a Config,
    /// How policies want the input document.
    pub(super) input: input::Options,
    /// `labels`, with `id` and `version` among them.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) active: &'a Snapshot<Active>,
    pub(super) metrics: &'a Arc<Metrics>,
}

/// Starts the recorder with everybody who wants to be told.
pub(super) fn start(about: About<'_>) -> io::Result<(Recorder, Recording)> {
    let (config, metrics) = (about.config, about.metrics);
    let interest = Interest::default();
    let mut consumers: Vec<Box<dyn Consumer>> = vec![Box::new(ProcessLog::new(&interest))];
    if let Some(logs) = &config.decision_logs {
        consumers.push(Box::new(decision_log(logs, about, &interest)?));
    }
    Recorder::start(
        config.portcullis.telemetry.queue,
        interest,
        config.portcullis.identity.xfcc,
        consumers,
        Arc::clone(metrics),
    )
}

/// The sinks that there are, for the metrics of each.
pub(super) fn sinks(logs: &DecisionLogs) -> Vec<decision_log::Sink> {
    let configured = [
        (logs.console, decision_log::Sink::Console),
        (logs.file.is_some(), decision_log::Sink::File),
    ];
    let some = configured.into_iter().filter(|(there, _)| *there);
    some.map(|(_, sink)| sink).collect()
}

fn decision_log(
    logs: &DecisionLogs,
    about: About<'_>,
    interest: &Interest,
) -> io::Result<DecisionLog> {
    let metrics = about.metrics;
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if logs.console {
        sinks.push(Box::new(Console::start(Arc::clone(metrics))?));
    }
    if let Some(file) = &logs.file {
        sinks.push(Box::new(LogFile::start(file.clone(), Arc::clone(metrics))?));
    }
    let options = event::Options {
        labels: about.labels,
        input: about.input,
        mask: Some(logs.mask_decision.clone()),
        drop: Some(logs.drop_decision.clone()),
        nd_builtin_cache: logs.nd_builtin_cache,
        request_context_headers: logs.request_context_headers.clone(),
        sample_allowed: logs.sample_allowed,
        redact: redact(logs),
        rules: logs.rules,
    };
    let active = about.active.clone();
    Ok(DecisionLog::new(
        options,
        sinks,
        active,
        Arc::clone(metrics),
        interest,
    ))
}

fn redact(logs: &DecisionLogs) -> credentials::Options {
    let given = &logs.redact;
    let key = given.key.as_ref();
    credentials::Options {
        headers: given.headers.clone(),
        parameters: given.parameters.clone(),
        key: key.map(|key| Secret::new(key.expose().clone().into_bytes())),
        off: given.off,
    }
}

/// Has everything told that waits, for some seconds at most where that depends on others.
pub(super) async fn finish(recording: Recording) {
    // A clock that stands at its end leaves no time.
    let now = Instant::now();
    let deadline = now.checked_add(LONGEST).unwrap_or(now);
    // A panic there is nobody's who waits here.
    let _finished = tokio::task::spawn_blocking(move || recording.finish(deadline)).await;
}

/// How long sinks may take at the end; less than what is left of the usual 30 seconds of a pod.
const LONGEST: Duration = Duration::from_secs(5);
