//! End to end: a real Envoy 1.40, configured as istiod configures a sidecar, in front of the real
//! portcullis binary, with a real upstream behind it. `make envoy` installs the Envoy this needs.
#![expect(clippy::unwrap_used, reason = "a test helper fails by panicking")]

mod client;
mod envoy;
mod failure;
mod gate;
mod http;
mod pki;
mod reload;
mod tcp;
mod upstream;

use envoy::Envoy;
use gate::Gate;
use pki::Pki;
use upstream::Upstream;

/// One mesh: certificates, upstream, gate and Envoy, each on its own free port.
struct Mesh {
    pki: Pki,
    upstream: Upstream,
    gate: Gate,
    envoy: Envoy,
}

impl Mesh {
    /// Starts everything; `policy` is the Rego the gate serves.
    async fn start(policy: &str) -> Self {
        Self::start_with(policy, &[]).await
    }

    /// The same with further arguments for `portcullis run`.
    async fn start_with(policy: &str, arguments: &[&str]) -> Self {
        let pki = Pki::create();
        let upstream = Upstream::start().await;
        let gate = Gate::start(policy, arguments).await;
        let envoy = Envoy::start(&pki, gate.port(), upstream.port()).await;
        Self {
            pki,
            upstream,
            gate,
            envoy,
        }
    }
}
