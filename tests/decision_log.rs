//! The decision log from outside: the real binary, real sinks, and what becomes of every record.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "decision_log/documented.rs"]
mod documented;
#[path = "decision_log/gate.rs"]
mod gate;
#[path = "support/logs.rs"]
mod logs;
#[path = "decision_log/opa.rs"]
mod opa;
#[path = "decision_log/posting.rs"]
mod posting;
#[path = "line/requests.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod requests;
#[path = "decision_log/secrets.rs"]
mod secrets;
#[path = "decision_log/service.rs"]
mod service;
#[path = "decision_log/sinks.rs"]
mod sinks;
#[path = "decision_log/spill.rs"]
mod spill;
#[path = "decision_log/unread.rs"]
mod unread;
