//! Bundles from their source to the active policy: our own server on a free port, the real followers,
//! and the real process.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/bundles.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod server;

#[path = "bundles/admin.rs"]
mod admin;
#[path = "bundles/age.rs"]
mod age;
#[path = "bundles/deltas.rs"]
mod deltas;
#[path = "bundles/failures.rs"]
mod failures;
#[path = "bundles/files.rs"]
mod files;
#[path = "bundles/following.rs"]
mod following;
#[path = "bundles/gate.rs"]
mod gate;
#[path = "bundles/killed.rs"]
mod killed;
#[path = "bundles/order.rs"]
mod order;
#[path = "bundles/persistence.rs"]
mod persistence;
#[path = "bundles/plain.rs"]
mod plain;
#[path = "bundles/several.rs"]
mod several;
#[path = "bundles/signatures.rs"]
mod signatures;
#[path = "bundles/swaps.rs"]
mod swaps;
