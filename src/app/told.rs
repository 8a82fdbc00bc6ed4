//! Who is told of single checks: the consumers that the configuration asks for, behind the recorder.

mod log;

pub(crate) use log::redaction;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    check::Active,
    config::Config,
    input,
    shutdown::Watch,
    snapshot::Snapshot,
    telemetry::{
        Metrics, Recorder, Tracing,
        line::ProcessLog,
        recorder::{Consumer, Interest, Recording},
    },
    traces::Spans,
};

/// What the consumers are made of.
pub(super) struct Told<'a> {
    pub(super) config: &'a Config,
    /// Of this process.
    pub(super) id: &'a str,
    /// How the input document is shaped.
    pub(super) input: &'a input::Options,
    /// The policy, for what it says of records.
    pub(super) active: &'a Snapshot<Active>,
    pub(super) metrics: &'a Arc<Metrics>,
    /// What all of them want to hear of.
    pub(super) interest: Interest,
}

/// Starts the recorder with everybody who wants to be told; `first` are those that others have made.
pub(super) fn start(
    told: &Told<'_>,
    first: impl IntoIterator<Item = Box<dyn Consumer>>,
) -> io::Result<(Recorder, Recording)> {
    let (config, metrics) = (told.config, told.metrics);
    let mut consumers: Vec<Box<dyn Consumer>> = first.into_iter().collect();
    consumers.push(Box::new(ProcessLog::new(&told.interest)));
    if let Some(traces) = &config.distributed_tracing {
        let (collector, on_error) = (traces.collector.clone(), config.portcullis.on_error);
        let spans = Spans::start(collector.of_instance(told.id), on_error, metrics)?;
        consumers.push(Box::new(spans));
    }
    if let Some(log) = log::start(told)? {
        consumers.push(Box::new(log));
    }
    Recorder::start(
        config.portcullis.telemetry.queue,
        told.interest.clone(),
        config.portcullis.identity.xfcc,
        consumers,
        Arc::clone(metrics),
    )
}

/// Which traces the checks are of: where they have no spans, those of their callers are still logged.
pub(super) fn tracing(config: &Config) -> Tracing {
    match (&config.distributed_tracing, &config.decision_logs) {
        (Some(traces), _) => Tracing::spans(traces.ratio),
        (None, Some(_)) => Tracing::CALLERS,
        (None, None) => Tracing::default(),
    }
}

/// Has everything told that waits, for some seconds at most; a stop `at_once` cuts that short.
pub(super) async fn finish(recording: Recording, mut at_once: Watch) {
    // A clock that stands at its end leaves no time.
    let now = Instant::now();
    let deadline = now.checked_add(LONGEST).unwrap_or(now);
    let finished = tokio::task::spawn_blocking(move || recording.finish(deadline));
    tokio::select! {
        biased;
        () = at_once.asked_at_once() => {}
        // A panic there is nobody's who waits here.
        _finished = finished => {}
    }
}

/// How long sinks may take at the end; less than what is left of the usual 30 seconds of a pod.
const LONGEST: Duration = Duration::from_secs(5);
