//! From a record to the sinks: who gets an event, the event, and what is counted of both.
//!
//! Promises that no event is shown which its policies could not be asked about: a mask or a drop that
//! fails loses the event, which is counted, and told in the process log when the losses have doubled.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Entry, Sink,
    event::{self, Rules, Writer},
    mask::{self, Maskable, Rule},
};
use crate::{
    check::Active,
    input::{Plan, Value},
    outcome::Answer,
    policy::{EvalError, Limits},
    snapshot::Snapshot,
    telemetry::{
        Metrics, Recorded,
        decision_log::{Cause, Skip},
        recorder::{Consumer, Interest, Interested},
        text::causes,
    },
};

/// The decision log.
pub struct DecisionLog {
    writer: Writer,
    asked: Asked,
    /// What the whole document is built with, where rules are to be told.
    rules: Option<Plan>,
    sample_allowed: u32,
    sinks: Vec<Box<dyn Sink>>,
    active: Snapshot<Active>,
    metrics: Arc<Metrics>,
    lost: u64,
    _interested: Interested,
}

/// Why there is no event.
enum Left {
    Skipped(Skip),
    Lost(Cause, Box<dyn Error>),
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
        if options.rules || options.nd_builtin_cache {
            interest.in_externals();
        }
        Self {
            writer: Writer::new(&options),
            rules: options.rules.then(|| Plan::everything(&options.input)),
            sample_allowed: options.sample_allowed,
            asked: Asked {
                mask: options.mask,
                drop: options.drop,
                ..Asked::default()
            },
            sinks,
            active,
            metrics,
            lost: 0,
            _interested: interest.in_checks(true, true),
        }
    }

    fn event(&mut self, recorded: &Recorded<'_>) -> Result<Vec<u8>, Left> {
        let record = recorded.record;
        let allowed = record.answer() == Answer::Allowed;
        if allowed && !record.decision_id.is_one_in(self.sample_allowed) {
            return Err(Left::Skipped(Skip::Sampled));
        }
        let active = self.active.load_full();
        if let Some(active) = &active {
            self.asked.look_at(active);
        }
        let mut draft = self.writer.draft(recorded);
        match &active {
            Some(active) => self.asked.apply(active, &mut draft)?,
            None => self.asked.without_a_policy(&mut draft),
        }
        let rules = match (&self.rules, &active) {
            (Some(plan), Some(active)) => rules(plan, active, recorded),
            (Some(_) | None, _) => None,
        };
        Ok(draft.finish(recorded, rules.as_ref()))
    }

    fn lose(&mut self, cause: Cause, error: &(dyn Error + 'static)) {
        self.metrics.decision_log().dropped(cause, 1);
        self.lost = self.lost.saturating_add(1);
        if self.lost.is_power_of_two() {
            tracing::error!(
                cause = cause.as_str(),
                lost = self.lost,
                error = causes(error),
                "decision log event lost"
            );
        }
    }
}

impl Consumer for DecisionLog {
    fn consume(&mut self, recorded: &Recorded<'_>) {
        let json = match self.event(recorded) {
            Ok(json) => json,
            Err(Left::Skipped(skip)) => return self.metrics.decision_log().skipped(skip),
            Err(Left::Lost(cause, error)) => return self.lose(cause, &*error),
        };
        self.writer.note(json.len());
        let record = recorded.record;
        let entry = Entry {
            json: Bytes::from(json),
            at: record.at,
            decision_id: record.decision_id,
            answer: record.answer(),
            trace: record.trace,
        };
        for sink in &mut self.sinks {
            sink.offer(&entry);
        }
    }

    fn panicked(&mut self) {
        self.metrics.decision_log().dropped(Cause::Internal, 1);
    }

    fn idle(&mut self) {
        for sink in &mut self.sinks {
            sink.idle();
        }
    }

    fn close(&mut self, deadline: Instant) {
        for sink in &mut self.sinks {
            sink.close(deadline);
        }
    }

    fn finish(&mut self, deadline: Instant) {
        for sink in &mut self.sinks {
            sink.finish(deadline);
        }
    }
}

/// Shows no options: a key is among them.
impl fmt::Debug for DecisionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionLog")
            .field("sinks", &self.sinks.len())
            .finish_non_exhaustive()
    }
}

/// The policies that are asked about events.
#[derive(Debug, Default)]
struct Asked {
    mask: Option<Vec<String>>,
    drop: Option<Vec<String>>,
    /// The policy that was looked at last. Not kept from ending.
    of: Weak<Active>,
    /// Whether it has a mask, and a drop.
    masks: bool,
    drops: bool,
}

impl Asked {
    /// Finds out once for each policy whether there is anything to ask it.
    fn look_at(&mut self, active: &Arc<Active>) {
        if std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(active)) {
            return;
        }
        self.of = Arc::downgrade(active);
        self.masks = has(active, self.mask.as_deref());
        self.drops = has(active, self.drop.as_deref());
    }

    /// As long as there is no policy nobody knows what is to be masked: nothing of the request is shown.
    fn without_a_policy(&self, draft: &mut event::Draft<'_>) {
        if self.mask.is_some() {
            let done = mask::Done {
                erased: vec!["/input".to_owned()],
                masked: Vec::new(),
            };
            draft.replace(&Maskable::default(), &done);
        }
    }

    /// First whether the event is to be dropped, then what of it is to be masked; both are asked about
    /// the event as it is before.
    fn apply(&self, active: &Active, draft: &mut event::Draft<'_>) -> Result<(), Left> {
        if !self.masks && !self.drops {
            return Ok(());
        }
        let lost = |cause| move |error: Box<dyn Error>| Left::Lost(cause, error);
        let event = draft.value().ok_or_else(|| {
            let cause = if self.masks {
                Cause::MaskFailed
            } else {
                Cause::DropFailed
            };
            lost(cause)("the event cannot be read back".into())
        })?;
        if let (Some(path), true) = (&self.drop, self.drops) {
            let answer = ask(active, path, &event);
            let answer = answer.map_err(|e| lost(Cause::DropFailed)(e.into()))?;
            if answer == Some(Value::Bool(true)) {
                return Err(Left::Skipped(Skip::DropDecision));
            }
        }
        if let (Some(path), true) = (&self.mask, self.masks) {
            let answer = ask(active, path, &event);
            let answer = answer.map_err(|e| lost(Cause::MaskFailed)(e.into()))?;
            let rules = answer.as_ref().map(Rule::list).transpose();
            let rules = rules.map_err(|e| lost(Cause::MaskFailed)(e.into()))?;
            let rules = rules.unwrap_or_default();
            let mut maskable = Maskable::of(&event);
            let done = mask::apply(&rules, &mut maskable);
            if done != mask::Done::default() {
                draft.replace(&maskable, &done);
            }
        }
        Ok(())
    }
}

/// Whether the policy has a rule or data at this path.
fn has(active: &Active, path: Option<&[String]>) -> bool {
    path.is_some_and(|path| {
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let data = || !matches!(ask(active, path, &Value::new_object()), Ok(None));
        active.policy().defines(&segments) || data()
    })
}

fn ask(active: &Active, path: &[String], event: &Value) -> Result<Option<Value>, EvalError> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    active.policy().query(&path, event.clone(), LIMITS)
}

/// The definitions that gave this decision, if that policy is still there to be asked.
fn rules(plan: &Plan, active: &Active, recorded: &Recorded<'_>) -> Option<Rules> {
    let record = recorded.record;
    let same = Arc::ptr_eq(record.policy.as_ref()?, active.policy().provenance());
    if !same || record.outcome.is_err() {
        return None;
    }
    let request = recorded.request.as_ref().ok()?;
    let input = plan.build(request, &recorded.caller, record.token_document());
    let mut externals = record.externals.clone();
    active
        .policy()
        .decided_by(input.ok()?, LIMITS, &mut externals)
        .ok()
}

/// How far the policies of the log may go: nothing waits for them but the next record.
const LIMITS: Limits = Limits {
    time: Duration::from_millis(100),
    instructions: 1_000_000,
    memory: 64 << 20,
};

#[cfg(test)]
mod tests;
