//! The metrics of checks.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Label, histogram::Histogram, registered};
use crate::{
    outcome::{Answer, CheckError, Reason, Stage},
    telemetry::{
        StageTimes,
        event::{CheckDecided, PrincipalMissing},
        per::{PerReason, PerShed, PerStage},
    },
};

/// Every series, looked up once.
#[derive(Debug)]
pub(super) struct Checks {
    allowed: Counter,
    refused: PerReason<Counter>,
    duration: Histogram,
    stages: PerStage<Histogram>,
    budget_exceeded: PerStage<Counter>,
    shed: PerShed<Counter>,
    pub(super) abandoned: Counter,
    pub(super) isolated: Counter,
    pub(super) lane_running: Gauge,
    panics: Counter,
    principal_missing: Counter,
    pub(super) in_flight: Gauge,
}

impl Checks {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let checks: Family<[Label; 2], Counter> = registered(
            registry,
            "checks",
            "Checks by outcome and reason, in dry-run by what would have been answered",
        );
        let series = |answer: Answer, reason: Reason| {
            checks.get_or_create_owned(&[
                ("outcome", answer.as_str().to_owned()),
                ("reason", reason.as_str().to_owned()),
            ])
        };
        let stages: Family<[Label; 1], Histogram> = registered(
            registry,
            "stage_duration_seconds",
            "Time that checks spend in each stage",
        );
        let budget_exceeded: Family<[Label; 1], Counter> = registered(
            registry,
            "budget_exceeded",
            "Checks that ran out of time, by the stage they were in",
        );
        let shed: Family<[Label; 1], Counter> =
            registered(registry, "shed", "Checks shed by admission control");
        let label = |stage: Stage| [("stage", stage.as_str().to_owned())];
        Self {
            allowed: series(Answer::Allowed, Reason::Policy),
            refused: PerReason::new(|reason| series(reason.answer(), reason)),
            duration: registered(
                registry,
                "check_duration_seconds",
                "Time from the arrival of a check to its answer",
            ),
            stages: PerStage::new(|stage| stages.get_or_create_owned(&label(stage))),
            budget_exceeded: PerStage::new(|s| budget_exceeded.get_or_create_owned(&label(s))),
            shed: PerShed::new(|cause| {
                shed.get_or_create_owned(&[("cause", cause.as_str().to_owned())])
            }),
            abandoned: registered(
                registry,
                "abandoned",
                "Checks whose caller went away while they waited",
            ),
            isolated: registered(
                registry,
                "isolated",
                "Attempts at checks that the slow lane began; a check may need several",
            ),
            lane_running: registered(
                registry,
                "lane_running",
                "Checks being decided in the slow lane",
            ),
            panics: registered(registry, "panics", "Checks that ended in a panic"),
            principal_missing: registered(
                registry,
                "principal_missing",
                "Checks of callers without a verified identity",
            ),
            in_flight: registered(registry, "in_flight", "Checks being worked on"),
        }
    }

    /// If it was shed, the how-many-th for its cause.
    pub(super) fn record(&self, check: &CheckDecided<'_>) -> Option<u64> {
        let reason = check.reason();
        match check.answer() {
            Answer::Allowed => self.allowed.inc(),
            Answer::Denied | Answer::Error => self.refused.get(reason).inc(),
        };
        let shed = match check.outcome {
            Err(CheckError::Overload(cause)) => Some(self.shed.get(*cause).inc().saturating_add(1)),
            Ok(_) | Err(_) => None,
        };
        if reason == Reason::Internal {
            self.panics.inc();
        }
        if let Some(stage) = check.budget_stage() {
            self.budget_exceeded.get(stage).inc();
        }
        if let Some(request) = &check.request
            && request.caller.is_none()
        {
            let seen = self.principal_missing.inc().saturating_add(1);
            PrincipalMissing { seen, request }.emit();
        }
        self.times(check.duration, check.stages);
        shed
    }

    fn times(&self, total: Duration, stages: &StageTimes) {
        self.duration.observe(total);
        for stage in Stage::ALL {
            if let Some(time) = stages.get(stage) {
                self.stages.get(stage).observe(time);
            }
        }
    }
}
