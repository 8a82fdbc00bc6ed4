//! From files to the active policy: compile aside, then swap in one step.
//!
//! Promises that the policy of running checks is only ever replaced by one that compiled as a whole,
//! and that every attempt is counted, logged and shown, with the reason when it failed.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};

use crate::{
    check::Active,
    clock::Clock,
    input,
    policy::{Engine, LoadError, LoadOptions, Policy, PolicyFile, PolicySet, bundle::Verification},
    snapshot::Snapshot,
    telemetry::{Metrics, PolicyActivated, PolicyRejected, event::ActivePolicy},
};

/// Compiles policies and makes them the active one.
#[derive(Debug)]
pub struct Publisher {
    active: Snapshot<Active>,
    load: LoadOptions,
    /// What makes the archives among the files genuine.
    verification: Arc<Verification>,
    input: input::Options,
    /// Where the files come from, as the user knows it.
    source: String,
    metrics: Arc<Metrics>,
    clock: Clock,
    last: Mutex<Last>,
}

/// How the last attempts went.
#[derive(Debug, Default)]
struct Last {
    activated_at: Option<Duration>,
    error: Option<String>,
}

impl Publisher {
    /// A publisher into a new, empty snapshot.
    pub fn new(
        load: LoadOptions,
        input: input::Options,
        source: String,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self {
            active: Snapshot::empty(),
            load,
            verification: Arc::default(),
            input,
            source,
            metrics,
            clock,
            last: Mutex::default(),
        }
    }

    /// The same with what makes the archives among the files genuine.
    #[must_use]
    pub fn verifying_files(mut self, verification: Arc<Verification>) -> Self {
        self.verification = verification;
        self
    }

    /// Where the active policy is found.
    pub fn active(&self) -> &Snapshot<Active> {
        &self.active
    }

    /// Makes `files` the active policy, or keeps the one there is.
    pub fn publish(&self, files: &[PolicyFile]) -> Result<(), LoadError> {
        let set = PolicySet {
            files,
            verification: Some(&self.verification),
            ..PolicySet::default()
        };
        let policy = Policy::load_set(&set, &self.load).inspect_err(|error| self.reject(error))?;
        let next = Arc::new(Active::new(policy, &self.input));
        let at = self.clock.now().unix;
        self.active.publish(Arc::clone(&next));
        *self.last() = Last {
            activated_at: Some(at),
            error: None,
        };
        PolicyActivated {
            policy: described(&next),
            source: &self.source,
            at,
        }
        .emit(&self.metrics);
        Ok(())
    }

    /// Notes that the next policy could not even be read, or not compiled; the active one stays.
    pub fn reject(&self, problems: &dyn Display) {
        let kept = self.active.load_full();
        self.last().error = Some(problems.to_string());
        PolicyRejected {
            problems,
            source: &self.source,
            kept: kept.as_deref().map(|active| active.policy().revision()),
        }
        .emit(&self.metrics);
    }

    /// What is active, for people.
    pub fn status(&self) -> Value {
        let last = self.last();
        let active = self.active.load_full();
        let mut status = active.map_or_else(
            || entries([("active", false.into())]),
            |active| describe(active.policy()),
        );
        let activated_at = last.activated_at.map(|at| at.as_secs());
        status.extend(entries([
            ("source", self.source.clone().into()),
            ("last_activation", activated_at.into()),
            ("last_error", last.error.clone().into()),
        ]));
        status.into()
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn described(active: &Active) -> ActivePolicy<'_> {
    ActivePolicy {
        revision: active.policy().revision(),
        engine: active.policy().engine(),
    }
}

/// What a policy is made of, as `/policy` and `portcullis inspect` show it.
pub fn describe(policy: &Policy) -> Map<String, Value> {
    let summary = policy.summary();
    let reads: Vec<_> = policy
        .reads()
        .to_string()
        .lines()
        .map(str::to_owned)
        .collect();
    let interpreted: Vec<_> = policy
        .interpreted_because()
        .iter()
        .map(|why| match why.position {
            Some((line, column)) => format!("{}:{line}:{column}: {}", why.file, why.message),
            None => why.message.clone(),
        })
        .collect();
    let engine = match policy.engine() {
        Engine::Rvm => "rvm",
        Engine::Interpreter => "interpreter",
    };
    entries([
        ("active", true.into()),
        ("revision", json!(summary.revision)),
        ("entrypoint", json!(summary.entrypoint)),
        ("packages", json!(summary.packages)),
        ("modules", json!(summary.modules)),
        ("rules", json!(summary.rules)),
        ("sends", summary.sends.into()),
        ("nondeterministic", json!(summary.nondeterministic)),
        ("engine", engine.into()),
        ("interpreted_because", interpreted.into()),
        ("reads", reads.into()),
    ])
}

fn entries<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    let own = |(key, value): (&str, Value)| (key.to_owned(), value);
    entries.into_iter().map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Entrypoint;

    fn publisher() -> Publisher {
        let load = LoadOptions {
            entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
            v0_compatible: false,
            strict_builtin_errors: false,
        };
        let metrics = Arc::new(Metrics::new(None));
        Publisher::new(
            load,
            input::Options::default(),
            "test".into(),
            metrics,
            Clock::System,
        )
    }

    fn file(text: &str) -> PolicyFile {
        PolicyFile {
            name: "policy.rego".into(),
            data_path: Vec::new(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_broken_policy_keeps_the_active_one_and_shows_why() {
        let publisher = publisher();
        publisher
            .publish(&[file("package envoy.authz\nallow := true")])
            .unwrap();
        let before = publisher.status();
        publisher
            .publish(&[file("package envoy.authz\nallow := {{")])
            .unwrap_err();
        let after = publisher.status();
        assert_eq!(before["revision"], after["revision"]);
        assert_eq!(before["last_error"], Value::Null);
        assert!(
            after["last_error"]
                .as_str()
                .unwrap()
                .contains("policy.rego:2")
        );
        publisher
            .publish(&[file("package envoy.authz\nallow := false")])
            .unwrap();
        assert_eq!(publisher.status()["last_error"], Value::Null);
        assert_ne!(publisher.status()["revision"], before["revision"]);
    }

    #[test]
    fn nothing_is_active_after_a_first_failure() {
        let publisher = publisher();
        publisher
            .publish(&[file("package envoy.authz\nallow := {{")])
            .unwrap_err();
        assert!(publisher.active().load().is_none());
        assert_eq!(publisher.status()["active"], false);
    }
}
