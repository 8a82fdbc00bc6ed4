//! One watcher: first what is remembered, then what comes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    decision::Decision,
    filter::Filter,
    ring::{Following, Readers},
};
use crate::telemetry::metrics::Observe;

/// What a watcher asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Not before this time, since the Unix epoch.
    pub(super) since: Duration,
    /// Of those that are remembered and match, so many of the newest.
    pub(super) last: usize,
    /// Goes on with new ones.
    pub(super) follow: bool,
    pub(super) filter: Filter,
}

/// What a watcher is told.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Decision(Arc<Decision>),
    /// So many new ones went by unseen.
    Lost(u64),
    /// It followed, and nothing more will come.
    Ended,
}

/// Where one watcher is.
#[derive(Debug)]
pub(super) struct Reader {
    readers: Readers,
    asked: Asked,
    ended: watch::Receiver<bool>,
    /// The number of the next decision to look at.
    next: u64,
    waiting: VecDeque<Event>,
    /// Nothing is left to look for.
    done: bool,
    metrics: Observe,
    _following: Option<Following>,
}

impl Reader {
    /// Finds what is remembered. Compares a few thousand decisions: not for a thread that answers
    /// checks.
    pub(super) fn new(readers: Readers, asked: Asked, metrics: Observe) -> Self {
        let following = asked
            .follow
            .then(|| readers.follow(asked.filter.includes_allowed()));
        let ended = readers.ended();
        let found = readers.all();
        let matching = found.decisions.into_iter().rev();
        let newest = matching
            .filter(|decision| asked.wants(decision))
            .take(asked.last)
            .map(Event::Decision);
        let mut waiting: VecDeque<Event> = newest.collect();
        waiting.make_contiguous().reverse();
        Self {
            readers,
            done: !asked.follow,
            asked,
            ended,
            next: found.next,
            waiting,
            metrics,
            _following: following,
        }
    }

    /// The next event, once there is one; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.done {
                return None;
            }
            // Read before the ring is: what was told before the end is seen.
            let ended = *self.ended.borrow_and_update();
            let found = self.readers.from(self.next);
            let nothing = found.lost == 0 && found.decisions.is_empty();
            self.next = found.next;
            if found.lost > 0 {
                self.metrics.lost(found.lost);
                self.waiting.push_back(Event::Lost(found.lost));
            }
            let asked = &self.asked;
            let wanted = |decision: &Arc<Decision>| asked.wants(decision);
            let matching = found.decisions.into_iter().filter(wanted);
            self.waiting.extend(matching.map(Event::Decision));
            if !nothing {
                // Others on this thread have work too.
                tokio::task::yield_now().await;
            } else if ended || self.ended.changed().await.is_err() {
                self.done = true;
                self.waiting.push_back(Event::Ended);
            }
        }
    }
}

impl Asked {
    fn wants(&self, decision: &Decision) -> bool {
        decision.at >= self.since && self.filter.matches(decision)
    }
}
