//! The thread that packs records, has them posted, and puts them aside when they are not taken.
//!
//! Promises that one chunk at a time is on its way, the oldest first; that what is not taken is tried
//! again before anything newer; and that the thread ends soon after its deadline, every record posted,
//! on disk, or counted as lost. A defect costs the records that were in hand, which are counted, and
//! not the thread.

mod end;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::task::AbortOnDropHandle;

use super::{
    Limit, Options, Trigger,
    inbox::Inbox,
    pause::{delay, later, pause},
    shelf::Shelf,
    upload::{UploadError, Uploader},
};
use crate::{
    clock::Clock,
    decision_log::chunk::{Chunk, Less, Packed, Packer},
    telemetry::{
        Metrics, SinkFailed, SinkRecovered,
        decision_log::{Sink, SinkCause},
        metrics::Waiting,
    },
};

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Desk {
    inbox: Arc<Inbox>,
    uploader: Uploader,
    metrics: Arc<Metrics>,
    waiting: Waiting,
    limit: Limit,
    trigger: Trigger,
    delays: (Duration, Duration),
    packer: Packer,
    shelf: Shelf,
    current: Option<Current>,
    round: Option<Round>,
    /// When the next round begins.
    due: Instant,
    /// Nothing is posted before.
    rest: Instant,
    /// In a row.
    failures: u32,
    /// How often in a row the service wanted less.
    refusals: u32,
    /// Records that a panic now would lose.
    in_hand: u64,
    hurried: bool,
    /// The smallest chunk that the service found too large.
    too_large: usize,
}

/// The chunk that is on its way.
#[derive(Debug)]
struct Current {
    chunk: Chunk,
    _task: AbortOnDropHandle<()>,
}

/// What is posted before the next pause.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Chunks that were made before this one.
    until: u64,
    /// Records that are packed for it, where they are packed when they are sent.
    records: usize,
    /// Chunks need not be full.
    flush: bool,
}

impl Desk {
    pub(super) fn new(
        options: &Options,
        inbox: Arc<Inbox>,
        uploader: Uploader,
        metrics: Arc<Metrics>,
    ) -> Self {
        let most_bytes = match options.limit {
            Limit::Bytes(bytes) => bytes,
            // Chunks are made one at a time, and records are counted before.
            Limit::Records(_) => usize::MAX,
        };
        let now = Instant::now();
        Self {
            waiting: metrics.decision_log().buffered(Sink::Service),
            shelf: Shelf::new(most_bytes, options.spill.clone(), Arc::clone(&metrics)),
            packer: Packer::new(options.upload_bytes, first_number()),
            inbox,
            uploader,
            metrics,
            limit: options.limit,
            trigger: options.trigger,
            delays: (options.min_delay, options.max_delay),
            current: None,
            round: None,
            due: now,
            rest: now,
            failures: 0,
            refusals: 0,
            in_hand: 0,
            hurried: false,
            too_large: usize::MAX,
        }
    }

    /// Returns once nothing will come any more and what came is dealt with.
    pub(super) fn run(&mut self) {
        let mut going = self.guarded(Self::begin_work);
        while going {
            going = self.guarded(Self::turn);
        }
    }

    /// One step; whether there is another. One that panics costs what was in hand.
    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> bool) -> bool {
        let done = catch_unwind(AssertUnwindSafe(|| step(self)));
        done.unwrap_or_else(|_| self.recover())
    }

    fn begin_work(&mut self) -> bool {
        self.open();
        if self.shelf.is_empty() {
            self.due = later(Instant::now(), delay(self.delays));
        }
        true
    }

    fn turn(&mut self) -> bool {
        // Read before the records are: what came before the end is seen.
        let closing = self.inbox.closing();
        if closing.is_some() && !self.hurried {
            self.hurry();
        }
        self.settle();
        let more = self.collect();
        if let Some(deadline) = closing
            && self.is_over(deadline, more)
        {
            self.give_up(deadline);
            self.show();
            return false;
        }
        self.send(closing);
        self.show();
        if !more {
            self.inbox.wait(self.until(closing), self.enough());
        }
        true
    }

    fn open(&mut self) {
        self.shelf.open();
        self.number();
    }

    /// What is made from now on is newer than what is on disk.
    fn number(&mut self) {
        self.packer.start_at(self.shelf.next_number());
    }

    /// Takes records out of the inbox. Until they are counted or put somewhere they are in hand, and
    /// so is what the packer holds, which a panic may leave half done.
    fn take(&mut self, bytes: usize) -> Vec<bytes::Bytes> {
        let taken = self.inbox.take(bytes);
        self.hold(count(taken.len()));
        taken
    }

    fn hold(&mut self, records: u64) {
        let (unpacked, _) = self.packer.waiting();
        self.in_hand = records.saturating_add(unpacked);
    }

    /// The end is near: nobody waits for long any more.
    fn hurry(&mut self) {
        self.hurried = true;
        self.rest = Instant::now();
        self.delays = (Duration::ZERO, Duration::ZERO);
    }

    /// Deals with what became of the upload.
    fn settle(&mut self) {
        let Some(answer) = self.inbox.take_answer() else {
            return;
        };
        let Some(Current { chunk, .. }) = self.current.take() else {
            return;
        };
        match answer {
            Ok(()) => {
                self.shelf.done(&chunk.place);
                let log = self.metrics.decision_log();
                log.sent(Sink::Service, chunk.records);
                log.succeeded(Sink::Service, Clock::System.now().unix);
                if self.failures > 0 {
                    let place = self.uploader.place();
                    let sink = Sink::Service;
                    SinkRecovered { sink, place }.emit();
                }
                self.failures = 0;
                self.refusals = 0;
            }
            Err(error) => self.refused(chunk, &error),
        }
    }

    fn refused(&mut self, chunk: Chunk, error: &UploadError) {
        SinkFailed {
            sink: Sink::Service,
            place: self.uploader.place(),
            error,
            before: self.failures.saturating_add(self.refusals),
        }
        .emit(&self.metrics);
        if error.is_too_large() {
            if chunk.records > 1 {
                self.too_large = self.too_large.min(chunk.bytes.len());
                self.packer.refused(chunk.bytes.len());
            }
            self.reduce(&chunk);
            self.rest = self.after(self.refusals);
            // No failure: at the end what is too large is made smaller, not put on disk.
            self.refusals = self.refusals.saturating_add(1);
            return;
        }
        self.shelf.put_back(chunk);
        self.rest = self.after(self.failures);
        self.failures = self.failures.saturating_add(1);
    }

    /// When the service is asked again, after so many attempts in vain.
    fn after(&self, before: u32) -> Instant {
        let pause = pause(before, self.delays.1, fastrand::f64());
        later(Instant::now(), pause)
    }

    /// The service finds the chunk too large: it gets less at a time.
    fn reduce(&mut self, chunk: &Chunk) {
        if !self.shelf.is_on_disk(&chunk.place) {
            self.hold(chunk.records);
        }
        let less = chunk.reduce();
        self.in_hand = 0;
        let lost = match less {
            Ok(Less::Halves(first, second)) => {
                return self.shelf.replace(&chunk.place, [first, second]);
            }
            Ok(Less::Stripped(less)) => return self.shelf.replace(&chunk.place, [less]),
            Ok(Less::Nothing) => SinkCause::TooLarge,
            // What was packed here can be unpacked.
            Err(_) => SinkCause::WriteFailed,
        };
        self.shelf.done(&chunk.place);
        self.lost(lost, chunk.records);
    }

    /// Packs what has come; whether there is more.
    fn collect(&mut self) -> bool {
        let more = match self.limit {
            Limit::Bytes(_) => self.pack_everything(),
            Limit::Records(_) => {
                self.pack_for_round();
                self.relieve();
                false
            }
        };
        let current = self.current.as_ref().map(|current| &current.chunk);
        self.shelf.bound(current);
        more
    }

    /// Packs some of what is there; whether there is more.
    fn pack_everything(&mut self) -> bool {
        self.number();
        let mut packed = Packed::default();
        for record in self.take(AT_ONCE) {
            self.packer.push(record, &mut packed);
        }
        self.shelve(packed);
        self.inbox.level().records > 0
    }

    /// Packs one chunk if the round wants more and there is none.
    fn pack_for_round(&mut self) {
        let soft = self.packer.soft();
        let Some(round) = self.round.as_mut().filter(|round| round.records > 0) else {
            return;
        };
        if self.current.is_some() || self.shelf.is_ready() {
            return;
        }
        if !round.flush && self.inbox.level().bytes < soft {
            round.records = 0;
            return;
        }
        let wanted = round.records;
        let taken = self.take(soft);
        let left = match taken.len() {
            0 => 0,
            some => wanted.saturating_sub(some),
        };
        let packed = self.pack(taken);
        self.shelve(packed);
        if let Some(round) = &mut self.round {
            round.records = left;
            round.until = self.packer.next();
        }
    }

    /// Puts the oldest on disk before there is no room for the newest.
    fn relieve(&mut self) {
        if !self.inbox.is_nearly_full() {
            return;
        }
        self.open();
        while self.shelf.has_disk() && self.inbox.is_nearly_full() {
            let taken = self.take(self.packer.soft());
            let packed = self.pack(taken);
            self.count(&packed);
            self.in_hand = 0;
            let kept = self.current.as_ref().map(|current| &current.chunk.place);
            for chunk in &packed.chunks {
                self.shelf.put_away(chunk, kept);
            }
        }
    }

    fn pack(&mut self, records: Vec<bytes::Bytes>) -> Packed {
        self.number();
        let mut packed = Packed::default();
        for record in records {
            self.packer.push(record, &mut packed);
        }
        self.packer.close(&mut packed);
        packed
    }

    fn shelve(&mut self, packed: Packed) {
        self.count(&packed);
        for chunk in packed.chunks {
            self.shelf.add(chunk);
        }
        self.in_hand = 0;
    }

    fn count(&self, packed: &Packed) {
        self.lost(SinkCause::TooLarge, packed.too_large);
        self.lost(SinkCause::WriteFailed, packed.broken);
    }

    fn lost(&self, cause: SinkCause, records: u64) {
        let log = self.metrics.decision_log();
        log.dropped_by(Sink::Service, cause, records);
    }

    /// Begins a round if it is time, and has the next chunk posted.
    fn send(&mut self, closing: Option<Instant>) {
        let now = Instant::now();
        while self.current.is_none() {
            if self.round.is_none() {
                self.begin(now, closing.is_some());
                self.pack_for_round();
            }
            let Some(round) = self.round.filter(|_| now >= self.rest) else {
                return;
            };
            match self.shelf.next(round.until) {
                Some(chunk) if self.is_known_to_be_too_large(&chunk) => self.reduce(&chunk),
                Some(chunk) => self.post(chunk, closing, now),
                None if round.records == 0 => {
                    self.round = None;
                    self.due = later(now, delay(self.delays));
                    if !self.has_full_chunk() {
                        return;
                    }
                }
                // They are packed next.
                None => return,
            }
        }
    }

    fn post(&mut self, chunk: Chunk, closing: Option<Instant>, now: Instant) {
        let left = closing.map(|deadline| deadline.saturating_duration_since(now));
        let longest = left.map_or(LONGEST, |left| left.min(LONGEST));
        let inbox = Arc::clone(&self.inbox);
        let task = self.uploader.start(chunk.bytes.clone(), longest, inbox);
        self.current = Some(Current { chunk, _task: task });
    }

    /// Whether the service did not take so much before, and there is something to be done about it.
    fn is_known_to_be_too_large(&self, chunk: &Chunk) -> bool {
        chunk.records > 1 && chunk.bytes.len() >= self.too_large
    }

    fn begin(&mut self, now: Instant, closing: bool) {
        let flush = closing || now >= self.due;
        if !(flush || self.has_full_chunk()) {
            return;
        }
        if flush {
            self.open();
            let packed = self.pack(Vec::new());
            self.shelve(packed);
        }
        self.round = Some(Round {
            until: self.packer.next(),
            records: match self.limit {
                Limit::Bytes(_) => 0,
                Limit::Records(_) => self.inbox.level().records,
            },
            flush,
        });
    }

    /// Whether there is something to be posted before the pause is over.
    fn has_full_chunk(&self) -> bool {
        let full = match self.limit {
            Limit::Bytes(_) => self.shelf.is_ready(),
            Limit::Records(_) => self.inbox.level().bytes >= self.packer.soft(),
        };
        self.trigger == Trigger::Immediate && full
    }

    /// When the thread has to look, whatever happens.
    fn until(&self, closing: Option<Instant>) -> Instant {
        let next = match (&self.current, &self.round) {
            (Some(_), _) => later(Instant::now(), LONGEST),
            (None, Some(_)) => self.rest,
            (None, None) => self.due,
        };
        let end = closing.map(|deadline| deadline.checked_sub(self.reserve()).unwrap_or(deadline));
        end.map_or(next, |end| end.min(next))
    }

    /// How many bytes of records the thread is to look for.
    fn enough(&self) -> usize {
        match self.trigger {
            Trigger::Immediate => self.packer.soft(),
            Trigger::Periodic => AT_ONCE,
        }
    }

    fn show(&self) {
        let unpacked = self.inbox.level();
        let (packing, packing_bytes) = self.packer.waiting();
        let (shelved, shelved_bytes, on_disk) = self.shelf.level();
        let current = self.current.as_ref().map(|current| &current.chunk);
        let (sending, sending_bytes) = current.map_or((0, 0), |chunk| {
            let here = !self.shelf.is_on_disk(&chunk.place);
            (if here { chunk.records } else { 0 }, chunk.bytes.len())
        });
        let records = [count(unpacked.records), packing, shelved, sending];
        let bytes = [unpacked.bytes, packing_bytes, shelved_bytes, sending_bytes];
        self.waiting.set(
            records.into_iter().fold(0, u64::saturating_add),
            bytes.into_iter().map(count).fold(0, u64::saturating_add),
        );
        self.metrics.decision_log().spilled(on_disk);
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Nanoseconds since the Unix epoch: two runs do not number alike, also where the later one cannot see
/// what the earlier one left on disk.
fn first_number() -> u64 {
    u64::try_from(Clock::System.now().unix.as_nanos()).unwrap_or(0)
}

/// Bytes of records that are packed before the thread looks around.
const AT_ONCE: usize = 1 << 20;
/// The longest time for one upload.
const LONGEST: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
