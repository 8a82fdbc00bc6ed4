//! Who is told of single checks: the consumers that the configuration asks for, behind the recorder.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::Config,
    telemetry::{
        Metrics, Recorder, Tracing,
        line::ProcessLog,
        recorder::{self, Consumer, Interest, Recording},
    },
    traces::Spans,
};

/// Starts the recorder with everybody who wants to be told. `id` is this process'.
pub(super) fn start(
    config: &Config,
    id: &str,
    metrics: &Arc<Metrics>,
) -> io::Result<(Recorder, Recording)> {
    let interest = Interest::default();
    let mut consumers: Vec<Box<dyn Consumer>> = vec![Box::new(ProcessLog::new(&interest))];
    if let Some(traces) = &config.distributed_tracing {
        let (collector, on_error) = (traces.collector.clone(), config.portcullis.on_error);
        let spans = Spans::start(collector.of_instance(id), on_error, metrics);
        consumers.push(Box::new(spans));
    }
    Recorder::start(
        recorder::Options::default(),
        interest,
        config.portcullis.identity.xfcc,
        consumers,
        Arc::clone(metrics),
    )
}

/// Which traces the checks are of.
pub(super) fn tracing(config: &Config) -> Tracing {
    let traces = config.distributed_tracing.as_ref();
    traces.map_or_else(Tracing::default, |traces| Tracing::spans(traces.ratio))
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
