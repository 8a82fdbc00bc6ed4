//! The task that gives batches to the collector, one after the other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::{sleep, sleep_until, timeout},
};

use super::{
    ExportError, Options, Origin, Signal,
    batch::{Loss, Patience, Room, Tally},
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

impl<S: Signal> Exporter<S> {
    pub(super) async fn run(mut self) {
        while let Some(parcel) = self.parcels.recv().await {
            let (items, bytes) = (parcel.items.len(), parcel.bytes);
            let request = S::request(&self.origin, parcel.items);
            let mut closing = self.closing.clone();
            let exported = tokio::select! {
                biased;
                exported = self.export(&request) => exported,
                () = ended(&mut closing) => Err(Loss::Shutdown),
            };
            let items = u64::try_from(items).unwrap_or(u64::MAX);
            let rejected = match exported {
                Ok(rejected) => rejected.min(items),
                Err(_) => 0,
            };
            match exported {
                Ok(_) => self.tally.sent(items.saturating_sub(rejected)),
                Err(why) => self.tally.lost(why, items),
            }
            if rejected > 0 {
                self.tally.lost(Loss::Rejected, rejected);
            }
            self.tally.gone(items, bytes);
            self.room.leave(items, bytes);
        }
    }

    /// How many items were not taken of those that the collector took.
    async fn export(&mut self, request: &S::Request) -> Result<u64, Loss> {
        let longest = self.options.batch.timeout;
        match self.patience {
            Patience::Forever => self.persist(request).await,
            Patience::OneExport => {
                if let Ok(exported) = timeout(longest, self.persist(request)).await {
                    return exported;
                }
                self.failed(&ExportError::TimedOut);
                Err(Loss::Failed)
            }
        }
    }

    /// Tries until the collector has taken it, or has said that it never will.
    async fn persist(&mut self, request: &S::Request) -> Result<u64, Loss> {
        let mut pause = FIRST_PAUSE;
        loop {
            let once = timeout(self.options.batch.timeout, self.once(request.clone()));
            let error = match once.await {
                Ok(Ok(response)) => return Ok(self.taken(S::rejected(&response))),
                Ok(Err(error)) => error,
                Err(_) => ExportError::TimedOut,
            };
            self.failed(&error);
            if !error.may_pass() {
                return Err(Loss::Rejected);
            }
            self.tally.failed();
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&mut self, request: S::Request) -> Result<S::Response, ExportError> {
        let way = self.way().await?;
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
