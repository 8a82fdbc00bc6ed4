//! What `docs/examples` and `docs/migrating-from-opa-envoy.md` promise, kept: each example that can run
//! without a cluster runs against a real Envoy and the real binary, every other one fits its schema, and
//! what a deployment of opa-envoy has for arguments and configuration starts portcullis.
//!
//! `make envoy` installs the Envoy this needs. Nothing is repeated, and ports are the system's choice.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and tells why"
)]

#[path = "support/bundles.rs"]
#[expect(dead_code, unused_imports, reason = "other tests use the rest")]
mod bundle_server;
#[path = "e2e/envoy.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod envoy;
#[path = "examples/envoy_gateway.rs"]
mod envoy_gateway;
#[path = "examples/example.rs"]
mod example;
#[path = "e2e/gate.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod gate;
#[path = "examples/istiod.rs"]
mod istiod;
#[path = "e2e/lines.rs"]
mod lines;
#[path = "examples/opa.rs"]
mod opa;
#[path = "e2e/pki.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod pki;
#[path = "examples/plain_envoy.rs"]
mod plain_envoy;
#[path = "examples/quick_start.rs"]
mod quick_start;
#[path = "e2e/upstream.rs"]
mod upstream;
#[path = "examples/yaml.rs"]
mod yaml;

use std::path::{Path, PathBuf};

/// Fails a test that would hang.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(lines::PATIENCE, future).await.unwrap()
}

/// A file or folder of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
