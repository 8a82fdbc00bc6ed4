//! Services as they are asked: our own server on a free port, and the real client.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bundles.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod bundles;
#[path = "support/certificates.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod certificates;

#[path = "services/server.rs"]
mod server;
