//! The task that keeps the keys of one provider: fetch, publish, keep on disk, wait, again.

mod disk;
mod round;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use self::disk::Disk;
use super::{
    Kind, Source,
    fetch::{Fetcher, Keys},
    schedule::Schedule,
};
use crate::{
    clock::Clock,
    identity::jwt::{KeyRings, ProviderKeys, Refresh, SkippedKey},
    ready::Pending,
    telemetry::{
        KeysFollowed, KeysGiven, KeysNotPersisted, KeysNotRestored, KeysRestored, Metrics,
        jwks::FetchCause,
    },
};

/// What it takes to keep the keys of one provider.
#[derive(Debug)]
pub struct Follower {
    /// Its place in the configuration, and so in `keys`.
    pub provider: usize,
    /// Its name, for people and for the file on disk.
    pub name: Arc<str>,
    /// Where its keys come from.
    pub source: Source,
    /// The least time between the begins of two fetches.
    pub min_refresh: Duration,
    /// Where keys are published.
    pub keys: KeyRings,
    /// What checks ask for fetches with; made with the same `min_refresh`.
    pub refresh: Refresh,
    /// Done when there are keys or, for a source that is not required, when that was tried.
    pub ready: Pending,
    /// Where events are counted.
    pub metrics: Arc<Metrics>,
    /// Where the time comes from.
    pub clock: Clock,
    /// `persistence_directory`: below it remote keys are kept across restarts.
    pub persistence: Option<PathBuf>,
}

impl Follower {
    /// Publishes the keys that are there and starts the task that fetches the others; it ends when the
    /// handle is dropped. `None`: there is nothing to fetch.
    ///
    /// Must be called within a runtime.
    pub fn start(self) -> Option<AbortOnDropHandle<()>> {
        if let Kind::Inline(set) = &self.source.kind {
            let given = ProviderKeys {
                set: Some(Arc::clone(set)),
                usable_until: None,
            };
            self.keys.set(self.provider, given);
            KeysGiven {
                provider: &self.name,
                keys: set.len(),
            }
            .emit(&self.metrics);
        }
        let Some(fetcher) = Fetcher::of(&self.source) else {
            self.ready.done();
            return None;
        };
        let task = tokio::spawn(Task::new(self, fetcher).run());
        Some(AbortOnDropHandle::new(task))
    }
}

/// A [`Follower`] with something to fetch.
struct Task {
    provider: usize,
    name: Arc<str>,
    source: Source,
    min_refresh: Duration,
    keys: KeyRings,
    refresh: Refresh,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// Until readiness need not wait any more.
    ready: Option<Pending>,
    fetcher: Fetcher,
    place: String,
    schedule: Schedule,
    disk: Option<Disk>,
    last: Option<Good>,
    /// How long they may be used.
    until: Option<Instant>,
    /// What the log already says about keys that cannot be used.
    skipped: Vec<SkippedKey>,
}

/// The last good keys, and when they were seen.
struct Good {
    keys: Keys,
    fetched_at: Duration,
    interval: Duration,
}

impl Task {
    fn new(follower: Follower, fetcher: Fetcher) -> Self {
        let Follower { name, source, .. } = follower;
        let disk = follower.persistence.zip(fetcher.remote_id());
        Self {
            place: fetcher.place(),
            schedule: Schedule::new(
                follower.min_refresh,
                source.refresh_interval,
                source.max_refresh_interval,
            ),
            disk: disk.map(|(directory, source_id)| Disk::new(&directory, &name, source_id)),
            provider: follower.provider,
            name,
            source,
            min_refresh: follower.min_refresh,
            keys: follower.keys,
            refresh: follower.refresh,
            metrics: follower.metrics,
            clock: follower.clock,
            ready: Some(follower.ready),
            fetcher,
            last: None,
            until: None,
            skipped: Vec::new(),
        }
    }

    async fn run(mut self) {
        KeysFollowed {
            provider: &self.name,
            source: &self.place,
        }
        .emit(&self.metrics);
        self.restore().await;
        let mut cause = FetchCause::Startup;
        loop {
            let begun = self.clock.instant();
            self.refresh.began(begun);
            let wait = self.round(cause).await;
            self.refresh.ended();
            self.persist().await;
            cause = self.wait(begun, wait).await;
        }
    }

    /// Waits until the next fetch is due or asked for, and longer if that is too soon.
    async fn wait(&self, begun: Instant, wait: Duration) -> FetchCause {
        let cause = tokio::select! {
            () = self.refresh.asked() => FetchCause::UnknownKid,
            () = sleep(wait) => FetchCause::Ttl,
        };
        let since = self.clock.instant().saturating_duration_since(begun);
        sleep(self.min_refresh.saturating_sub(since)).await;
        cause
    }

    /// Puts the keys to use that an earlier process has left on disk.
    async fn restore(&mut self) {
        let Some(disk) = &mut self.disk else {
            return;
        };
        let now = self.clock.now();
        match disk
            .load(&self.source, self.schedule.longest(), now.unix)
            .await
        {
            Ok(None) => {}
            Ok(Some((good, left))) => {
                self.publish(&good.keys.set, left, now);
                KeysRestored {
                    provider: &self.name,
                    keys: good.keys.set.len(),
                    fetched_at: good.fetched_at,
                }
                .emit(&self.metrics);
                self.last = Some(good);
                self.tell_skipped();
                self.done_if_usable();
            }
            Err(error) => KeysNotRestored {
                provider: &self.name,
                error: &error,
            }
            .emit(&self.metrics),
        }
    }

    /// Leaves the keys on disk for the next process.
    async fn persist(&mut self) {
        let (Some(disk), Some(last)) = (&mut self.disk, &self.last) else {
            return;
        };
        if let Err(error) = disk.save(last, &self.place, self.source.max_stale).await {
            KeysNotPersisted {
                provider: &self.name,
                error: &error,
            }
            .emit(&self.metrics);
        }
    }
}
