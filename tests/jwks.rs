//! Key sets as they are fetched: our own server of keys on a free port, and the real follower.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/certificates.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod certificates;
#[path = "support/jwks.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod server;

#[path = "jwks/discovery.rs"]
mod discovery;
#[path = "jwks/failures.rs"]
mod failures;
#[path = "jwks/fetching.rs"]
mod fetching;
#[path = "jwks/files.rs"]
mod files;
#[path = "jwks/following.rs"]
mod following;
#[path = "jwks/persistence.rs"]
mod persistence;
#[path = "jwks/readiness.rs"]
mod readiness;
#[path = "jwks/throttle.rs"]
mod throttle;
#[path = "jwks/tls.rs"]
mod tls;
