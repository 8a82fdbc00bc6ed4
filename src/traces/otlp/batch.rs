//! Where items wait to be sent together.
//!
//! Everything here runs on the thread that has the items and waits for nothing, but for
//! [`Batcher::finish`]; the collector is another thread's.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc as blocking,
    },
    time::{Duration, Instant},
};

use prost::Message as _;
use tokio::sync::{mpsc, watch};

use super::{
    Batch, Options, Origin, Signal,
    export::{Exporter, Parcel},
};

/// Why an item was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// As much waits as may.
    Full,
    /// It alone is more than collectors take at once.
    TooLarge,
    /// The collector will never take it.
    Rejected,
    /// The collector did not take it in time.
    Failed,
    /// The server stopped first.
    Shutdown,
}

/// How long the same batch is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// For as long as one export may take.
    OneExport,
    /// Until it is taken or rejected; meanwhile others wait.
    Forever,
}

/// Counts what becomes of items.
pub trait Tally: fmt::Debug + Send + Sync + 'static {
    /// An item waits.
    fn waits(&self, _bytes: usize) {}

    /// So many items wait no longer, whatever became of them.
    fn gone(&self, _items: u64, _bytes: usize) {}

    /// The collector took so many.
    fn sent(&self, items: u64);

    /// So many are lost.
    fn lost(&self, why: Loss, items: u64);

    /// An attempt failed, and is made again.
    fn failed(&self) {}

    /// An attempt went well.
    fn succeeded(&self) {}
}

/// How items are treated; fixed by what they are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What they are called: `spans` or `decisions`.
    pub what: &'static str,
    /// How long the same ones are tried.
    pub patience: Patience,
    /// Bytes that may wait, in all.
    pub bytes: usize,
    /// Who counts.
    pub tally: Arc<dyn Tally>,
}

/// What waits, in the batcher or at the thread that sends.
#[derive(Debug, Default)]
pub(super) struct Room {
    items: AtomicU64,
    bytes: AtomicUsize,
}

impl Room {
    /// Takes room for one item, if there is any.
    fn enter(&self, bytes: usize, most_items: u64, most_bytes: usize) -> bool {
        // Others only leave.
        let room = self.items.load(Relaxed) < most_items
            && self.bytes.load(Relaxed).saturating_add(bytes) <= most_bytes;
        if room {
            self.items.fetch_add(1, Relaxed);
            self.bytes.fetch_add(bytes, Relaxed);
        }
        room
    }

    pub(super) fn leave(&self, items: u64, bytes: usize) {
        self.items.fetch_sub(items, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

/// Collects items and hands them to the thread that sends them.
pub struct Batcher<S: Signal> {
    batch: Batch,
    settings: Settings,
    room: Arc<Room>,
    pending: Vec<S::Item>,
    pending_bytes: usize,
    /// When the first of them came.
    since: Option<Instant>,
    /// `None` once nothing is sent any more.
    parcels: Option<mpsc::UnboundedSender<Parcel<S::Item>>>,
    closing: watch::Sender<Option<Instant>>,
    done: blocking::Receiver<()>,
}

impl<S: Signal> Batcher<S> {
    /// Starts the thread that sends.
    pub fn start(options: Options, settings: Settings) -> io::Result<Self> {
        let (parcels, receiver) = mpsc::unbounded_channel();
        let (closing, closes) = watch::channel(None);
        let (end, done) = blocking::channel();
        let room = Arc::new(Room::default());
        let batch = options.batch;
        let exporter = Exporter::<S> {
            origin: Origin::new(&options.resource),
            options,
            what: settings.what,
            patience: settings.patience,
            room: Arc::clone(&room),
            tally: Arc::clone(&settings.tally),
            parcels: receiver,
            closing: closes,
            way: None,
            failures: 0,
        };
        exporter.start(end)?;
        Ok(Self {
            batch,
            settings,
            room,
            pending: Vec::new(),
            pending_bytes: 0,
            since: None,
            parcels: Some(parcels),
            closing,
            done,
        })
    }

    /// Takes an item, or drops and counts it.
    pub fn push(&mut self, item: S::Item) {
        if self.parcels.is_none() {
            return self.lose(Loss::Shutdown);
        }
        let bytes = item.encoded_len();
        if bytes > MOST_BYTES {
            return self.lose(Loss::TooLarge);
        }
        let queue = u64::try_from(self.batch.queue).unwrap_or(u64::MAX);
        if !self.room.enter(bytes, queue, self.settings.bytes) {
            return self.lose(Loss::Full);
        }
        self.settings.tally.waits(bytes);
        if self.pending_bytes.saturating_add(bytes) > MOST_BYTES {
            self.hand_on();
        }
        self.pending.push(item);
        self.pending_bytes = self.pending_bytes.saturating_add(bytes);
        if self.pending.len() >= self.batch.size {
            self.hand_on();
        } else if self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    /// Hands on what has waited long enough. To be called now and then.
    pub fn hand_on_when_due(&mut self) {
        let due = |since: Instant| since.elapsed() >= self.batch.delay;
        if self.since.is_some_and(due) {
            self.hand_on();
        }
    }

    /// Has what waits sent, until `deadline` at the latest.
    pub fn close(&mut self, deadline: Instant) {
        self.hand_on();
        self.parcels = None;
        self.closing.send_replace(Some(deadline));
    }

    /// The same, and waits for that; what is left then is lost and counted.
    pub fn finish(&mut self, deadline: Instant) {
        self.close(deadline);
        let left = deadline.saturating_duration_since(Instant::now());
        // Past the deadline the thread has only to count.
        let _done = self.done.recv_timeout(left.saturating_add(TO_COUNT));
    }

    fn hand_on(&mut self) {
        self.since = None;
        if self.pending.is_empty() {
            return;
        }
        let items = std::mem::take(&mut self.pending);
        let bytes = std::mem::take(&mut self.pending_bytes);
        let parcel = Parcel { items, bytes };
        let sent = match &self.parcels {
            Some(parcels) => parcels.send(parcel).map_err(|unsent| unsent.0),
            None => Err(parcel),
        };
        // It is closed, or the thread has ended.
        if let Err(Parcel { items, bytes }) = sent {
            let items = u64::try_from(items.len()).unwrap_or(u64::MAX);
            self.room.leave(items, bytes);
            self.settings.tally.gone(items, bytes);
            self.settings.tally.lost(Loss::Shutdown, items);
        }
    }

    fn lose(&self, why: Loss) {
        self.settings.tally.lost(why, 1);
    }
}

impl<S: Signal> fmt::Debug for Batcher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("settings", &self.settings)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

/// Most bytes of items in one request: collectors take 4 MiB of gRPC message by default.
const MOST_BYTES: usize = 3 << 20;
/// How long the thread may take past the deadline.
const TO_COUNT: Duration = Duration::from_secs(1);
