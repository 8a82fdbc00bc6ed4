//! The events of the server's life: policies that come and go, start and stop.

use std::{error::Error, fmt::Display, time::Duration};

use super::{
    event::ActivePolicy,
    metrics::{Metrics, engine_name},
};
use crate::chain::Chain;

/// A policy became the active one.
#[derive(Clone, Copy, Debug)]
pub struct PolicyActivated<'a> {
    /// The policy.
    pub policy: ActivePolicy<'a>,
    /// Where it comes from, as the user knows it.
    pub source: &'a str,
    /// When, since the Unix epoch.
    pub at: Duration,
}

impl PolicyActivated<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { policy, source, at } = *self;
        metrics.policy_activated(policy.revision, policy.engine, at);
        tracing::info!(
            policy.revision,
            policy.engine = engine_name(policy.engine),
            policy.source = source,
            "policy activated"
        );
    }
}

/// A policy could not become the active one; the last good one stays.
pub struct PolicyRejected<'a> {
    /// What is wrong with it, for people.
    pub problems: &'a dyn Display,
    /// Where it comes from, as the user knows it.
    pub source: &'a str,
    /// The revision that stays active; `None` when there is none yet.
    pub kept: Option<&'a str>,
}

impl PolicyRejected<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.policy_rejected();
        let problems = self.problems.to_string();
        tracing::error!(
            error = problems,
            policy.source = self.source,
            policy.revision = self.kept,
            "policy rejected"
        );
    }
}

impl std::fmt::Debug for PolicyRejected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyRejected")
            .field("source", &self.source)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

/// The listeners are open.
#[derive(Clone, Copy, Debug)]
pub struct ServerStarted<'a> {
    /// Where checks are answered.
    pub grpc: &'a str,
    /// Where health and metrics are.
    pub admin: &'a str,
}

impl ServerStarted<'_> {
    /// Logs it.
    pub fn emit(&self) {
        tracing::info!(
            grpc.address = self.grpc,
            admin.address = self.admin,
            version = crate::version::VERSION,
            "server started"
        );
    }
}

/// Decisions are shown to who is allowed to see them.
#[derive(Clone, Copy, Debug)]
pub struct ObserverStarted<'a> {
    /// Where.
    pub address: &'a str,
}

impl ObserverStarted<'_> {
    /// Logs it.
    pub fn emit(&self) {
        tracing::info!(observe.address = self.address, "observer started");
    }
}

/// Decisions are shown to nobody, because the usual address cannot be listened on.
#[derive(Clone, Copy, Debug)]
pub struct ObserverNotStarted<'a> {
    /// What the kernel said.
    pub error: &'a (dyn Error + 'static),
}

impl ObserverNotStarted<'_> {
    /// Logs it.
    pub fn emit(&self) {
        let error = Chain(self.error).to_string();
        tracing::warn!(
            error,
            "observer not started: set `portcullis.observe.addr`, or `off`"
        );
    }
}

/// The server takes no more work and finishes what it has.
#[derive(Clone, Copy, Debug)]
pub struct ServerDraining {
    /// How long it stays reachable while load balancers notice.
    pub grace: Duration,
}

impl ServerDraining {
    /// Logs it.
    pub fn emit(&self) {
        tracing::info!(grace_seconds = self.grace.as_secs_f64(), "server draining");
    }
}

/// The server is gone.
#[derive(Clone, Copy, Debug)]
pub struct ServerStopped {
    /// Connections that were cut off because they did not finish in time; 0 when every check that
    /// was asked is answered.
    pub cut_off: usize,
}

impl ServerStopped {
    /// Logs it.
    pub fn emit(&self) {
        if self.cut_off == 0 {
            tracing::info!("server stopped");
        } else {
            let connections = self.cut_off;
            tracing::warn!(connections, "server stopped before everything was answered");
        }
    }
}
