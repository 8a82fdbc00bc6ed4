//! The thread that gives batches to the collector, one after the other.
//!
//! What the collector finds too large is halved until it is taken; an item that is so alone is lost. Nothing
//! that can never be taken stands in the way of what comes after it.

use std::{
    io,
    sync::{Arc, mpsc as blocking},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime,
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::{sleep, sleep_until, timeout},
};

use super::{
    ExportError, Options, Origin, Signal,
    batch::{Loss, Patience, Room, Tally},
    error::Remedy,
    tls::Material,
    transport::Transport,
};
use crate::{
    digest::Digest,
    telemetry::{ExportFailed, ExportGoesOn},
};

/// Items that are sent together, with the room they take.
#[derive(Debug)]
pub(super) struct Parcel<T> {
    pub(super) items: Vec<T>,
    pub(super) bytes: usize,
}

/// Sends what comes; ends when nothing can come any more.
#[derive(Debug)]
pub(super) struct Exporter<S: Signal> {
    pub(super) options: Options,
    pub(super) origin: Origin,
    pub(super) what: &'static str,
    pub(super) patience: Patience,
    pub(super) room: Arc<Room>,
    pub(super) tally: Arc<dyn Tally>,
    pub(super) parcels: mpsc::UnboundedReceiver<Parcel<S::Item>>,
    /// Until when all must be done, once that is known.
    pub(super) closing: watch::Receiver<Option<Instant>>,
    pub(super) way: Option<(Digest, Transport)>,
    /// Exports that failed, in a row.
    pub(super) failures: u32,
}

/// What became of an attempt.
#[derive(Debug)]
enum Outcome {
    /// The collector took it, but for so many.
    Taken(u64),
    /// It is several, and more than the collector takes at once.
    TooLarge,
    /// It is lost.
    Lost(Loss),
}

impl<T: prost::Message> Parcel<T> {
    /// Two of it, the earlier items first.
    fn halves(mut self) -> [Self; 2] {
        let items = self.items.split_off(self.items.len() / 2);
        let bytes = items.iter().map(T::encoded_len).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        [self, Self { items, bytes }]
    }
}

impl<S: Signal> Exporter<S> {
    /// Starts a thread that sends, and says when it has `done`: what is sent is encoded and compressed on no
    /// thread that checks are made on.
    pub(super) fn start(self, done: blocking::Sender<()>) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        let thread = thread::Builder::new().name(format!("otlp-{}", self.what));
        thread.spawn(move || {
            runtime.block_on(self.run());
            // Who waited for it may have gone.
            let _waited_for = done.send(());
            // Somebody who is stuck with a file is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(())
    }

    async fn run(mut self) {
        while let Some(parcel) = self.parcels.recv().await {
            let began = Instant::now();
            // Halves of halves, the earliest last.
            let mut waiting = vec![parcel];
            while let Some(parcel) = waiting.pop() {
                let mut closing = self.closing.clone();
                let outcome = tokio::select! {
                    biased;
                    outcome = self.export(&parcel.items, began) => outcome,
                    () = ended(&mut closing) => Outcome::Lost(Loss::Shutdown),
                };
                match outcome {
                    Outcome::Taken(rejected) => self.count(&parcel, rejected, Loss::Rejected),
                    Outcome::Lost(why) => self.count(&parcel, u64::MAX, why),
                    Outcome::TooLarge => {
                        let [first, second] = parcel.halves();
                        waiting.extend([second, first]);
                    }
                }
            }
        }
    }

    /// Counts a parcel of which so many are lost.
    fn count(&self, parcel: &Parcel<S::Item>, lost: u64, why: Loss) {
        let items = u64::try_from(parcel.items.len()).unwrap_or(u64::MAX);
        let lost = lost.min(items);
        let sent = items.saturating_sub(lost);
        if sent > 0 {
            self.tally.sent(sent);
        }
        if lost > 0 {
            self.tally.lost(why, lost);
        }
        self.tally.gone(items, parcel.bytes);
        self.room.leave(items, parcel.bytes);
    }

    /// Tries for as long as its patience has it; all parts of a parcel share the time of one export.
    async fn export(&mut self, items: &[S::Item], began: Instant) -> Outcome {
        match self.patience {
            Patience::Forever => self.persist(items).await,
            Patience::OneExport => {
                let left = self.options.batch.timeout.saturating_sub(began.elapsed());
                if let Ok(outcome) = timeout(left, self.persist(items)).await {
                    return outcome;
                }
                self.failed(&ExportError::TimedOut);
                Outcome::Lost(Loss::Failed)
            }
        }
    }

    /// Tries until the collector has taken it, or has said that it never will.
    async fn persist(&mut self, items: &[S::Item]) -> Outcome {
        let mut pause = FIRST_PAUSE;
        loop {
            let once = timeout(self.options.batch.timeout, self.once(items));
            let error = match once.await {
                Ok(Ok(response)) => return Outcome::Taken(self.taken(S::rejected(&response))),
                Ok(Err(error)) => error,
                Err(_) => ExportError::TimedOut,
            };
            match error.remedy() {
                // Nothing is lost, and nobody need hear of it.
                Remedy::Less if items.len() > 1 => {
                    self.tally.failed();
                    return Outcome::TooLarge;
                }
                Remedy::Less | Remedy::None => {
                    self.failed(&error);
                    return Outcome::Lost(Loss::Rejected);
                }
                Remedy::Later => {
                    self.failed(&error);
                    self.tally.failed();
                }
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&mut self, items: &[S::Item]) -> Result<S::Response, ExportError> {
        let way = self.way().await?;
        let request = S::request(&self.origin, items.to_vec());
        way.send::<S>(request, &self.options).await
    }

    /// The way to the collector, made anew when a file of its certificates has changed.
    async fn way(&mut self) -> Result<Transport, ExportError> {
        let last = self.way.take();
        let options = self.options.clone();
        // Reads files, those of the system's authorities too; makes connections in this runtime.
        let made = spawn_blocking(move || kept_or_made(last, &options)).await;
        let (of, way) = made.map_err(|error| ExportError::Client(error.into()))??;
        self.way = Some((of, way.clone()));
        Ok(way)
    }

    fn taken(&mut self, rejected: i64) -> u64 {
        if self.failures > 0 {
            let (what, place) = (self.what, &*self.options.address);
            ExportGoesOn { what, place }.emit();
        }
        self.failures = 0;
        self.tally.succeeded();
        let rejected = u64::try_from(rejected).unwrap_or(0);
        if rejected > 0 {
            self.failed(&ExportError::Partial(rejected));
        }
        rejected
    }

    fn failed(&mut self, error: &ExportError) {
        let event = ExportFailed {
            what: self.what,
            place: &self.options.address,
            error,
            before: self.failures,
        };
        event.emit();
        self.failures = self.failures.saturating_add(1);
    }
}

fn kept_or_made(
    last: Option<(Digest, Transport)>,
    options: &Options,
) -> Result<(Digest, Transport), ExportError> {
    let tls = options.tls.as_ref();
    let material = tls.map(Material::read).transpose()?.unwrap_or_default();
    let of = material.digest();
    match last {
        Some((before, way)) if before == of => Ok((of, way)),
        Some(_) | None => Ok((of, Transport::new(options, &material)?)),
    }
}

/// Waits until all must be done.
async fn ended(closing: &mut watch::Receiver<Option<Instant>>) {
    let known = closing.wait_for(Option::is_some).await;
    // Whoever forgot to say when has gone.
    let Some(deadline) = known.ok().and_then(|known| *known) else {
        return;
    };
    sleep_until(deadline.into()).await;
}

/// Before the first repetition; each one after waits up to twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause before a repetition.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Threads that read certificates and resolve names: one that is stuck leaves room for others.
const BLOCKING_THREADS: usize = 4;
