//! The followers of all bundles, which can be exchanged while the server runs.

use std::{collections::BTreeMap, sync::Arc};

use tokio_util::task::AbortOnDropHandle;

use super::{
    Source,
    age::{Hold, Watch},
    follow::Follower,
};
use crate::{
    clock::Clock,
    ready::Ready,
    sources::publish::Publisher,
    telemetry::{BundleForgotten, Metrics},
};

/// Keeps every bundle; they are not kept any more when this is dropped.
#[derive(Debug)]
pub struct Followers {
    publisher: Arc<Publisher>,
    ready: Ready,
    metrics: Arc<Metrics>,
    clock: Clock,
    running: BTreeMap<Arc<str>, Running>,
}

#[derive(Debug)]
struct Running {
    source: Source,
    hold: Arc<Hold>,
    task: AbortOnDropHandle<()>,
}

impl Followers {
    /// Of no bundle yet.
    pub fn new(
        publisher: Arc<Publisher>,
        ready: Ready,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self {
            publisher,
            ready,
            metrics,
            clock,
            running: BTreeMap::new(),
        }
    }

    /// Keeps exactly these bundles from now on: those that are kept as they are asked for already go
    /// on, the others begin anew. The policy of now stays until every one of them is there.
    pub async fn follow(&mut self, sources: Vec<Source>) {
        let names: Vec<Arc<str>> = sources
            .iter()
            .map(|source| Arc::clone(&source.name))
            .collect();
        let gone: Vec<Arc<str>> = self
            .running
            .keys()
            .filter(|name| !names.contains(name))
            .cloned()
            .collect();
        // Before anything is tried anew: what a source has left behind may not be verified as it must.
        for source in &sources {
            let running = self.running.get(&source.name);
            if running.is_some_and(|running| running.source != *source) {
                self.publisher.renew(&source.name);
            }
        }
        // Held back before anything is expected: ready means active. A complete set is ready without
        // what comes on top of it.
        let first = self.publisher.active().load().is_none();
        let mut holds: BTreeMap<Arc<str>, Arc<Hold>> = BTreeMap::new();
        for name in &names {
            if !self.running.contains_key(name) {
                holds.insert(
                    Arc::clone(name),
                    Arc::new(Hold::new(&self.ready, name, first)),
                );
                self.publisher.statuses().add(name, "");
            }
        }
        for name in &gone {
            if let Some(running) = self.running.remove(name) {
                running.end().await;
            }
        }
        let publisher = Arc::clone(&self.publisher);
        // The publisher has told what went wrong; what is active stays.
        let expect = move || publisher.expect(names);
        drop(self.publisher.loader().run(expect).await);
        // Nothing is told of these any more: whoever made one of them active has ended.
        for name in gone {
            self.publisher.statuses().remove(&name);
            BundleForgotten { bundle: &name }.emit(&self.metrics);
        }
        for source in sources {
            let hold = match self.running.get(&source.name) {
                Some(running) if running.source == source => continue,
                Some(running) => Arc::clone(&running.hold),
                None => match holds.remove(&source.name) {
                    Some(hold) => hold,
                    // A name that is given twice is one bundle.
                    None => continue,
                },
            };
            // The one before must not go on beside this one.
            if let Some(running) = self.running.remove(&source.name) {
                running.stop().await;
            }
            self.start(source, hold);
        }
    }

    fn start(&mut self, source: Source, hold: Arc<Hold>) {
        let name = Arc::clone(&source.name);
        let statuses = self.publisher.statuses().clone();
        let follower = Follower::new(
            source.clone(),
            Arc::clone(&self.publisher),
            Arc::clone(&self.metrics),
            self.clock,
        );
        statuses.add(&name, follower.place());
        let watch = Watch {
            name: Arc::clone(&name),
            hold: Arc::clone(&hold),
            policy: self.publisher.active().clone(),
            max_age: source.max_age,
            statuses,
            metrics: Arc::clone(&self.metrics),
            clock: self.clock,
        };
        let task = tokio::spawn(async move {
            tokio::join!(follower.run(), watch.run());
        });
        let running = Running {
            source,
            hold,
            task: AbortOnDropHandle::new(task),
        };
        self.running.insert(name, running);
    }
}

impl Running {
    /// Ends its task.
    async fn stop(self) {
        self.task.abort();
        // That it was cancelled is the only news there can be.
        drop(self.task.await);
    }

    /// Ends its task, and readiness does not wait for it any more.
    async fn end(self) {
        let hold = Arc::clone(&self.hold);
        self.stop().await;
        hold.set(false);
    }
}
