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

#[path = "../support/bundles.rs"]
#[expect(dead_code, unused_imports, reason = "other tests use the rest")]
mod bundle_server;
mod bundles;
mod callers;
#[path = "../support/certificates.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod certificates;
mod client;
#[path = "../traces/collector.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod collector;
mod configuration;
mod decision_log;
mod demo;
mod dry_run;
mod endpoints;
mod envoy;
mod failure;
mod gate;
mod http;
mod instances;
mod issuer;
mod jwt;
#[path = "../support/jwks.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod key_server;
mod lines;
mod load;
mod metadata;
mod mutations;
mod outage;
mod pki;
mod policy;
mod refusals;
mod reload;
mod rolling;
mod rotation;
mod shutdown;
mod stripping;
mod tcp;
mod tokens;
mod traces;
mod upstream;

use configuration::Configuration;
use envoy::Envoy;
use gate::Gate;
use issuer::Issuer;
use pki::Pki;
use policy::PolicyFolder;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use upstream::Upstream;

/// One mesh: certificates, issuer, upstream, policy, gate and Envoy, each on its own free port.
struct Mesh {
    pki: Pki,
    issuer: Issuer,
    upstream: Upstream,
    policy: PolicyFolder,
    configuration: Configuration,
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
        Self::assemble(policy, |_| json!({}), arguments).await
    }

    /// The same with a configuration file, made when the issuer is there.
    async fn configured(policy: &str, configure: impl FnOnce(&Issuer) -> Value) -> Self {
        Self::assemble(PolicyFolder::with_file(policy), configure, &[]).await
    }

    async fn assemble(
        policy: PolicyFolder,
        configure: impl FnOnce(&Issuer) -> Value,
        arguments: &[&str],
    ) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let issuer = Issuer::start().await;
        let pki = Pki::create(&issuer.keys());
        let upstream = Upstream::start().await;
        let configuration = Configuration::new(&configure(&issuer));
        let arguments = [configuration.arguments().as_slice(), arguments].concat();
        let gate = Gate::start(policy.argument(), &arguments).await;
        let envoy = Envoy::start(&pki, gate.port(), upstream.port()).await;
        Self {
            pki,
            issuer,
            upstream,
            policy,
            configuration,
            gate,
            envoy,
            _turn: turn,
        }
    }

    /// Kills the gate, and starts one with this configuration and an Envoy in front of it.
    async fn restart(&mut self, configuration: &Value) {
        self.gate.kill().await;
        self.configuration.replace(configuration);
        let arguments = self.configuration.arguments();
        self.gate = Gate::start(self.policy.argument(), &arguments).await;
        self.envoy = Envoy::start(&self.pki, self.gate.port(), self.upstream.port()).await;
    }
}

/// Fails a test that would hang.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(lines::PATIENCE, future).await.unwrap()
}

/// Meshes at the same time: two cores are enough for the suite.
static TURNS: Semaphore = Semaphore::const_new(2);
