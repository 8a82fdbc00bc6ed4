//! From a record to the sinks: who gets an event, the event, and what is counted of both.

use std::{sync::Arc, time::Instant};

use super::{Sink, event};
use crate::{
    check::Active,
    snapshot::Snapshot,
    telemetry::{
        Metrics, Recorded,
        recorder::{Consumer, Interest, Interested},
    },
};

/// The decision log.
pub struct DecisionLog {
    options: event::Options,
    sinks: Vec<Box<dyn Sink>>,
    active: Snapshot<Active>,
    metrics: Arc<Metrics>,
    _interested: Interested,
}

impl DecisionLog {
    /// A log to `sinks`, masked by the policy that is active when a check is told of.
    pub fn new(
        options: event::Options,
        sinks: Vec<Box<dyn Sink>>,
        active: Snapshot<Active>,
        metrics: Arc<Metrics>,
        interest: &Interest,
    ) -> Self {
        Self {
            options,
            sinks,
            active,
            metrics,
            _interested: interest.in_checks(true, true),
        }
    }
}

impl Consumer for DecisionLog {
    fn consume(&mut self, _recorded: &Recorded<'_>) {}

    fn idle(&mut self) {
        for sink in &mut self.sinks {
            sink.idle();
        }
    }

    fn finish(&mut self, deadline: Instant) {
        for sink in &mut self.sinks {
            sink.finish(deadline);
        }
    }
}
