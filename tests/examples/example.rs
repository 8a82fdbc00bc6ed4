//! An example of Envoy's, running: the policy of `docs/examples/envoy` behind a real Envoy.

use serde_json::Value;

use crate::{envoy::Envoy, gate::Gate, repository, upstream::Upstream};

/// What runs.
pub(crate) struct Example {
    pub(crate) upstream: Upstream,
    pub(crate) gate: Gate,
    pub(crate) envoy: Envoy,
}

impl Example {
    /// Starts Envoy with what `configuration` makes of the ports of the gate and of the application.
    pub(crate) async fn start(configuration: impl FnOnce(u16, u16) -> Value) -> Self {
        let upstream = Upstream::start().await;
        let policy = repository("docs/examples/envoy/policy.rego");
        let gate = Gate::start(Some(&policy), &["--log-level", "debug"]).await;
        let envoy = Envoy::configured(&configuration(gate.port(), upstream.port())).await;
        Self {
            upstream,
            gate,
            envoy,
        }
    }
}
