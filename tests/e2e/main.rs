//! End to end: a real Envoy 1.40, configured as istiod configures a sidecar, in front of the real
//! portcullis binary, with a real upstream behind it. `make envoy` installs the Envoy this needs.
//!
//! Requests are never repeated, ports are the system's choice, and everything is waited for by what
//! it says; only a starting Envoy is polled, on its admin endpoint.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and tells why"
)]

mod client;
mod demo;
mod dry_run;
mod envoy;
mod failure;
mod gate;
mod http;
mod jwt;
mod lines;
mod metadata;
mod mutations;
mod pki;
mod policy;
mod reload;
mod shutdown;
mod tcp;
mod upstream;

use envoy::Envoy;
use gate::Gate;
use pki::Pki;
use policy::PolicyFolder;
use tokio::sync::{Semaphore, SemaphorePermit};
use upstream::Upstream;

/// One mesh: certificates, upstream, policy, gate and Envoy, each on its own free port.
struct Mesh {
    pki: Pki,
    upstream: Upstream,
    policy: PolicyFolder,
    gate: Gate,
    envoy: Envoy,
    _turn: SemaphorePermit<'static>,
}

impl Mesh {
    /// Starts everything; `policy` is the Rego the gate serves.
    async fn start(policy: &str) -> Self {
        Self::start_with(policy, &[]).await
    }

    /// The same with further arguments for `portcullis run`.
    async fn start_with(policy: &str, arguments: &[&str]) -> Self {
        Self::start_from(PolicyFolder::with_file(policy), arguments).await
    }

    /// The same with a folder of policies.
    async fn start_from(policy: PolicyFolder, arguments: &[&str]) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let pki = Pki::create();
        let upstream = Upstream::start().await;
        let gate = Gate::start(policy.path(), arguments).await;
        let envoy = Envoy::start(&pki, gate.port(), upstream.port()).await;
        Self {
            pki,
            upstream,
            policy,
            gate,
            envoy,
            _turn: turn,
        }
    }
}

/// Meshes at the same time: two cores are enough for the suite.
static TURNS: Semaphore = Semaphore::const_new(2);
