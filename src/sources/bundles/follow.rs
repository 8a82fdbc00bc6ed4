//! The task that keeps one bundle: ask, read, offer, keep on disk, wait, again.

mod disk;
mod round;
mod take;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use self::round::Trouble;
use super::{
    Kind, Source,
    age::NEVER,
    download::Downloader,
    persisted::Store,
    schedule::Schedule,
    status::{Stage, Status, Statuses},
};
use crate::{
    clock::Clock,
    digest::Digest,
    policy::bundle::Bundle,
    sources::publish::Publisher,
    telemetry::{BundleFollowed, Metrics},
};

/// Keeps one bundle.
pub(super) struct Follower {
    source: Source,
    place: String,
    downloader: Downloader,
    publisher: Arc<Publisher>,
    /// What the publisher knows this source by.
    generation: u64,
    statuses: Statuses,
    activations: watch::Receiver<u64>,
    metrics: Arc<Metrics>,
    clock: Clock,
    schedule: Schedule,
    store: Option<Store>,
    /// What the publisher has taken: it is active, or waits for other bundles.
    held: Option<Held>,
    /// What the publisher has refused, and may still make active with other bundles.
    refused: Option<Held>,
    /// The revision on disk at the start, in order and genuine: nothing older may follow it.
    on_disk: Option<Box<str>>,
    /// The archive that came to nothing last: it is not read again.
    rejected: Option<Rejected>,
    /// What the log says of the last failure.
    told: Option<(Stage, Arc<str>)>,
}

/// A bundle in the publisher's hands.
#[derive(Clone)]
struct Held {
    bundle: Arc<Bundle>,
    /// Of the archive that it, or the delta that led to it, came in.
    archive: Digest,
    /// What the publisher knows it by.
    digest: Digest,
    validator: Option<String>,
    /// The archive, until it is on disk; `None` for what came as a delta, or from disk.
    unwritten: Option<Bytes>,
}

/// An archive that came to nothing.
struct Rejected {
    archive: Digest,
    trouble: Trouble,
}

impl Follower {
    pub(super) fn new(
        source: Source,
        publisher: Arc<Publisher>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        let downloader = Downloader::new(&source);
        let store = source.persist.as_deref();
        Self {
            place: downloader.place().to_owned(),
            store: store.map(|directory| Store::new(directory, &source.name)),
            schedule: Schedule::new(source.polling),
            statuses: publisher.statuses().clone(),
            activations: publisher.activations(),
            generation: publisher.renew(&source.name),
            source,
            downloader,
            publisher,
            metrics,
            clock,
            held: None,
            refused: None,
            on_disk: None,
            rejected: None,
            told: None,
        }
    }

    /// Where it asks, as people may see it.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Goes on for ever; to be dropped at any await.
    pub(super) async fn run(mut self) {
        BundleFollowed {
            bundle: &self.source.name,
            source: &self.place,
            at: self.clock.now().unix,
        }
        .emit(&self.metrics);
        // What panics is given up as a whole; nothing is handed out before it is complete.
        if AssertUnwindSafe(self.restore())
            .catch_unwind()
            .await
            .is_err()
        {
            self.fail(Trouble::internal(
                "reading the bundle on disk failed inside",
            ));
        }
        loop {
            let begun = self.clock.instant();
            let wait = match AssertUnwindSafe(self.round()).catch_unwind().await {
                Ok(wait) => wait,
                Err(_panic) => self.fail(Trouble::internal("following the bundle failed inside")),
            };
            self.persist().await;
            let since = self.clock.instant().saturating_duration_since(begun);
            let least = self.schedule.least().saturating_sub(since);
            sleep(least).await;
            self.wait(wait.saturating_sub(least)).await;
        }
    }

    /// Waits until it is time to ask again. Meanwhile a bundle that was refused may become active.
    async fn wait(&mut self, wait: Duration) {
        let manual = self.source.manual && self.is_active();
        let until = Instant::now().checked_add(if manual { NEVER } else { wait });
        let until = until.unwrap_or_else(Instant::now);
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.downloader.changed(), if !manual => return,
                Ok(()) = self.activations.changed() => {}
            }
            self.adopt();
            self.persist().await;
        }
    }

    /// Whether what it holds is part of the active policy.
    fn is_active(&self) -> bool {
        let active = self.publisher.active_digest(&self.source.name);
        let held = self.held.as_ref();
        held.is_some_and(|held| Some(held.digest) == active)
    }

    /// Holds what was refused when it has become active together with others.
    fn adopt(&mut self) {
        let active = self.publisher.active_digest(&self.source.name);
        if let Some(refused) = self
            .refused
            .take_if(|refused| Some(refused.digest) == active)
        {
            self.hold(refused);
        }
    }

    fn hold(&mut self, held: Held) {
        let ended = [self.held.replace(held), self.refused.take()];
        self.end(ended);
        self.rejected = None;
        self.told = None;
    }

    /// Ends bundles that nobody wants any more where checks do not wait for it.
    fn end(&self, held: impl IntoIterator<Item = Option<Held>>) {
        let held: Vec<Held> = held.into_iter().flatten().collect();
        drop(self.publisher.loader().run(move || drop(held)));
    }

    /// How long to wait after a round that went well. Files tell when they change.
    fn after_success(&mut self, long_poll: bool) -> Duration {
        let wait = self.schedule.after_success(long_poll);
        match self.source.kind {
            Kind::File(_) => NEVER,
            Kind::Http { .. } | Kind::Oci { .. } | Kind::Object { .. } => wait,
        }
    }

    fn note(&self, change: impl FnOnce(&mut Status)) {
        self.statuses.change(&self.source.name, change);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let ended = [self.held.take(), self.refused.take()];
        self.end(ended);
    }
}
