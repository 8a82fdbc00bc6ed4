//! The service sink: records are posted to a server as OPA posts them.
//!
//! Promises that who offers a record never waits, that no more waits in memory and on disk than may,
//! and that each record is posted (at least once, in order), waiting, or counted as lost. A record counts
//! as sent when the server has answered with a status of success.

mod desk;
mod inbox;
mod pause;
mod shelf;
mod upload;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use self::{desk::Desk, inbox::Inbox, upload::Uploader};
use super::{Entry, Sink, rate::Rate};
use crate::{
    services::Service,
    telemetry::{
        Metrics,
        decision_log::{self, SinkCause},
    },
};

/// Where records are posted, how much at a time and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// `service`.
    pub service: Arc<Service>,
    /// `resource`: the path below its URL.
    pub resource: String,
    /// `reporting.upload_size_limit_bytes`: the most bytes of one upload, compressed.
    pub upload_bytes: usize,
    /// `reporting.buffer_type` and its limit: how much may wait in memory.
    pub limit: Limit,
    /// `reporting.min_delay_seconds`: the shortest pause between two rounds of uploads.
    pub min_delay: Duration,
    /// `reporting.max_delay_seconds`: the longest.
    pub max_delay: Duration,
    /// `reporting.max_decisions_per_second`: what is more is dropped.
    pub most_per_second: Option<f64>,
    /// `reporting.trigger`.
    pub trigger: Trigger,
    /// `portcullis.decision_logs.spill`: where records wait that do not fit into memory.
    pub spill: Option<SpillOptions>,
}

/// How much may wait in memory; then the oldest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `size`: bytes of compressed chunks.
    Bytes(usize),
    /// `event`: records, compressed when they are sent.
    Records(usize),
}

/// When records are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `periodic`: everything, after each pause.
    Periodic,
    /// `immediate`: as soon as there is a chunk, and everything after each pause.
    Immediate,
}

/// A folder in which chunks wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpillOptions {
    /// `directory`.
    pub directory: PathBuf,
    /// `max_bytes`: the most bytes of all files in it; then the oldest goes. Default 1 GiB.
    pub max_bytes: u64,
}

/// The sink.
#[derive(Debug)]
pub struct ServiceSink {
    inbox: Arc<Inbox>,
    rate: Option<Rate>,
    metrics: Arc<Metrics>,
    /// Disconnected once the thread has ended.
    ended: mpsc::Receiver<()>,
}

impl ServiceSink {
    /// Starts the thread that packs and has uploads done on `handle`. That the service or the folder
    /// cannot be used yet is no failure here.
    pub fn start(options: &Options, handle: Handle, metrics: Arc<Metrics>) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::new(options.limit));
        let service = Arc::clone(&options.service);
        let uploader = Uploader::new(service, &options.resource, handle);
        let (to, counts) = (Arc::clone(&inbox), Arc::clone(&metrics));
        let mut desk = Desk::new(options, to, uploader, counts);
        let builder = thread::Builder::new().name("log-service".to_owned());
        let (running, ended) = mpsc::sync_channel(1);
        builder.spawn(move || {
            desk.run();
            drop::<mpsc::SyncSender<()>>(running);
        })?;
        Ok(Self {
            ended,
            rate: options.most_per_second.map(Rate::new),
            inbox,
            metrics,
        })
    }

    fn lost(&self, cause: SinkCause, records: u64) {
        let log = self.metrics.decision_log();
        log.dropped_by(decision_log::Sink::Service, cause, records);
    }
}

impl Sink for ServiceSink {
    fn offer(&mut self, entry: &Entry) {
        if self.rate.as_mut().is_some_and(|rate| !rate.take(entry.at)) {
            return self.lost(SinkCause::RateLimit, 1);
        }
        let lost = self.inbox.put(entry.json.clone());
        self.lost(SinkCause::BufferFull, lost);
    }

    fn idle(&mut self) {
        self.inbox.idle();
    }

    fn close(&mut self, deadline: Instant) {
        self.inbox.close(deadline);
    }

    fn finish(&mut self, deadline: Instant) {
        self.inbox.close(deadline);
        // It says nothing: it ends. A disk that hangs is waited for no longer than anything else.
        let left = deadline.saturating_duration_since(Instant::now());
        let _ended = self.ended.recv_timeout(left.saturating_add(COUNTING));
        // What the thread has taken it counts, or it is shown as waiting; the rest nobody will take.
        let rest = self.inbox.take(usize::MAX).len();
        self.lost(SinkCause::Shutdown, u64::try_from(rest).unwrap_or(u64::MAX));
    }
}

/// Ends the thread without waiting for it.
impl Drop for ServiceSink {
    fn drop(&mut self) {
        self.inbox.close(Instant::now());
    }
}

/// After the deadline: what is not dealt with is counted.
const COUNTING: Duration = Duration::from_millis(200);
