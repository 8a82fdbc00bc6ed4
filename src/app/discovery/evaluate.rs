//! From the policy of a discovery bundle to the configuration that it says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    check::Active,
    config::Problems,
    input,
    policy::{EvalError, Limits},
};

/// Why what was discovered is no configuration.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiscoveryError {
    /// The evaluation ended in an error.
    #[error("the discovery bundle cannot be evaluated")]
    Evaluation(#[from] EvalError),
    /// The evaluation panicked.
    #[error("the evaluation of the discovery bundle failed inside")]
    Panicked(#[from] tokio::task::JoinError),
    /// What it says is no JSON.
    #[error("`{decision}` of the discovery bundle is no JSON")]
    NoJson {
        decision: String,
        #[source]
        source: serde_json::Error,
    },
    /// It says nothing.
    #[error("`{0}` of the discovery bundle is undefined")]
    Undefined(String),
    /// It says something else.
    #[error("`{0}` of the discovery bundle is no mapping")]
    NoMapping(String),
    /// It is wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// The configuration at `decision`; the policy finds the labels of this instance in `input.labels`.
pub(super) async fn evaluate(
    active: Arc<Active>,
    decision: &[String],
    labels: &BTreeMap<String, String>,
) -> Result<Map<String, Value>, DiscoveryError> {
    let input = input::Value::from(json!({"labels": labels}));
    let evaluation = move || active.policy().evaluate(input, LIMITS);
    let value = tokio::task::spawn_blocking(evaluation).await??;
    let shown = || {
        ["data"]
            .into_iter()
            .chain(decision.iter().map(String::as_str))
    };
    let shown = || shown().collect::<Vec<_>>().join(".");
    if matches!(value, input::Value::Undefined) {
        return Err(DiscoveryError::Undefined(shown()));
    }
    let value = serde_json::to_value(&value).map_err(|source| DiscoveryError::NoJson {
        decision: shown(),
        source,
    })?;
    let Value::Object(mut found) = value else {
        return Err(DiscoveryError::NoMapping(shown()));
    };
    if decision.is_empty() {
        // The bundle's own manifest, which nobody wrote as a configuration.
        found.remove("system");
    }
    Ok(found)
}

/// Nothing waits for it.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    instructions: 100_000_000,
    memory: 256 * 1024 * 1024,
};
