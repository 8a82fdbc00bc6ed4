//! The metrics: one registry, with every series looked up once at start.
//!
//! Recording a check is a handful of atomic additions: no lock, no hash, no allocation. Recording is
//! the business of events; whoever has news builds an event and emits it.

mod age;
mod bundles;
mod checks;
mod connections;
mod counters;
mod decision_log;
pub mod exposition;
mod grpc;
mod histogram;
mod http_send;
mod jwks;
mod moment;
mod observe;
mod own;
mod performance;
mod process;
mod recorder;
mod reports;
mod spans;
mod tokens;
mod waiting;

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Metric, Registry},
};

use self::{
    bundles::Bundles, checks::Checks, connections::Connections, grpc::Grpc, http_send::HttpSend,
    jwks::Jwks, performance::Performance, reports::Reports, tokens::Tokens,
};
pub use self::{
    decision_log::DecisionLog,
    observe::{Observe, Watching},
    recorder::{QueueFull, Recorder},
    spans::{SpanLoss, Spans},
    waiting::Waiting,
};
use super::{decision_log::Sink, event::CheckDecided};
use crate::{
    policy::Engine,
    version::{COMMIT, REGORUS, VERSION},
};

/// `grpc-request-duration-seconds-buckets` when it is not set: opa-envoy's default, in seconds.
pub const PERFORMANCE_BUCKETS: [f64; 11] = [
    1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 3e-3, 5e-3, 0.1, 1.0,
];

/// What the names of our own metrics begin with.
const PREFIX: &str = "portcullis";

type Label = (&'static str, String);

/// Every metric of the server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    checks: Checks,
    tokens: Tokens,
    pub(super) connections: Connections,
    pub(super) jwks: Jwks,
    pub(super) bundles: Bundles,
    pub(super) http_send: HttpSend,
    pub(super) reports: Reports,
    pub(super) grpc: Grpc,
    decision_log: DecisionLog,
    recorder: Recorder,
    observe: Observe,
    spans: Spans,
    performance: Option<Performance>,
    policy_info: Family<[Label; 2], Gauge>,
    policy_activated_at: Gauge<f64, AtomicU64>,
    policy_activations: Counter,
    policy_rejections: Counter,
}

/// A check in flight, or in the slow lane, for as long as this lives.
#[derive(Debug)]
#[must_use = "the check counts as done when this is dropped"]
pub struct InFlight<'a>(&'a Gauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// A registry with every series at zero. `performance_buckets`, upper bounds in seconds, turns
    /// opa-envoy's performance metrics on.
    pub fn new(performance_buckets: Option<&[f64]>) -> Self {
        let mut registry = Registry::default();
        let performance =
            performance_buckets.map(|buckets| Performance::register(&mut registry, buckets));
        let grpc = Grpc::register(&mut registry);
        process::register(&mut registry);
        let ours = registry.sub_registry_with_prefix(PREFIX);
        own::register(ours);
        let build: Family<[Label; 3], Gauge> =
            registered(ours, "build_info", "This binary; the value is always 1");
        build
            .get_or_create_owned(&[
                ("version", VERSION.to_owned()),
                ("commit", COMMIT.unwrap_or("unknown").to_owned()),
                ("regorus", REGORUS.to_owned()),
            ])
            .set(1);
        let activations: Family<[Label; 1], Counter> = registered(
            ours,
            "policy_activations",
            "Attempts to make a policy the active one",
        );
        let result =
            |result: &str| activations.get_or_create_owned(&[("result", result.to_owned())]);
        let jwks = Jwks::register(ours);
        Self {
            checks: Checks::register(ours),
            tokens: Tokens::register(ours, jwks.throttled.clone()),
            connections: Connections::register(ours),
            jwks,
            bundles: Bundles::register(ours),
            http_send: HttpSend::register(ours),
            reports: Reports::register(ours),
            grpc,
            decision_log: DecisionLog::none(),
            recorder: Recorder::register(ours),
            observe: Observe::register(ours),
            spans: Spans::register(ours),
            performance,
            policy_info: registered(
                ours,
                "policy_info",
                "The active policy; the value is always 1",
            ),
            policy_activated_at: registered(
                ours,
                "policy_last_activation_timestamp_seconds",
                "When the active policy became the active one",
            ),
            policy_activations: result("success"),
            policy_rejections: result("failure"),
            registry,
        }
    }

    /// The same with OPA's own metrics of bundles (`status.prometheus: true`).
    #[must_use]
    pub fn with_status_of_opa(mut self) -> Self {
        self.bundles.show_as_opa(&mut self.registry);
        self
    }

    /// The same with the metrics of a decision log that has these sinks.
    #[must_use]
    pub fn with_decision_log(mut self, sinks: &[Sink]) -> Self {
        let ours = self.registry.sub_registry_with_prefix(PREFIX);
        self.decision_log = DecisionLog::register(ours, sinks);
        self
    }

    /// What is told of the decision log; without [`Self::with_decision_log`] it is shown to nobody.
    pub fn decision_log(&self) -> &DecisionLog {
        &self.decision_log
    }

    /// What is told of the recorder.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// What is told of the live tail.
    pub fn observe(&self) -> &Observe {
        &self.observe
    }

    /// What is told of traces.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// The same with `portcullis.budget`, which alerts compare durations with.
    #[must_use]
    pub fn with_budget(mut self, budget: Duration) -> Self {
        let ours = self.registry.sub_registry_with_prefix("portcullis");
        let seconds: Gauge<f64, AtomicU64> = registered(
            ours,
            "budget_seconds",
            "The longest time that a check may take, as configured",
        );
        seconds.set(budget.as_secs_f64());
        self
    }

    /// Counts one more check in flight; `None` where there are `limit` already.
    pub fn enter(&self, limit: usize) -> Option<InFlight<'_>> {
        let before = self.checks.in_flight.inc();
        let entered = InFlight(&self.checks.in_flight);
        usize::try_from(before)
            .is_ok_and(|before| before < limit)
            .then_some(entered)
    }

    /// Counts one more check in the slow lane.
    pub fn run_long(&self) -> InFlight<'_> {
        self.checks.isolated.inc();
        self.checks.lane_running.inc();
        InFlight(&self.checks.lane_running)
    }

    /// Everything, as Prometheus scrapes it in OpenMetrics' text format ([`exposition::OPENMETRICS`]).
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // The only error there is is the String's, which has none.
        let _infallible = text::encode(&mut out, &self.registry);
        out
    }

    /// Counts the check; if it was shed, the how-many-th for its cause.
    pub(super) fn check_decided(&self, check: &CheckDecided<'_>) -> Option<u64> {
        let shed = self.checks.record(check);
        if let Some(token) = &check.token {
            self.tokens.record(token);
        }
        if let Some(performance) = &self.performance {
            let error = check.outcome.as_ref().err();
            performance.record(error.map(|_| check.reason()), check.duration);
        }
        shed
    }

    pub(super) fn check_abandoned(&self) {
        self.checks.abandoned.inc();
    }

    pub(super) fn policy_activated(&self, revision: &str, engine: Engine, at: Duration) {
        self.policy_info.clear();
        let labels = [
            ("revision", revision.to_owned()),
            ("engine", engine_name(engine).to_owned()),
        ];
        self.policy_info.get_or_create_owned(&labels).set(1);
        self.policy_activated_at.set(at.as_secs_f64());
        self.policy_activations.inc();
    }

    pub(super) fn policy_rejected(&self) {
        self.policy_rejections.inc();
    }
}

/// The label and log value of an evaluator.
pub(super) fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Rvm => "rvm",
        Engine::Interpreter => "interpreter",
    }
}

fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests;
