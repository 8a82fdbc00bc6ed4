//! Who is told of single checks: the consumers that the configuration asks for, behind the recorder.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    config::Config,
    telemetry::{
        Metrics, Recorder,
        line::ProcessLog,
        recorder::{self, Consumer, Interest, Recording},
    },
};

/// Starts the recorder with everybody who wants to be told; `first` are those that others have made.
pub(super) fn start(
    config: &Config,
    metrics: &Arc<Metrics>,
    interest: Interest,
    first: impl IntoIterator<Item = Box<dyn Consumer>>,
) -> io::Result<(Recorder, Recording)> {
    let mut consumers: Vec<Box<dyn Consumer>> = first.into_iter().collect();
    consumers.push(Box::new(ProcessLog::new(&interest)));
    Recorder::start(
        recorder::Options::default(),
        interest,
        config.portcullis.identity.xfcc,
        consumers,
        Arc::clone(metrics),
    )
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
