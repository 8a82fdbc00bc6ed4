//! Decisions shown live: by the real server, to real clients, and by the command.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

#[path = "support/certificates.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod certificates;
#[path = "observe/command.rs"]
mod command;
#[path = "observe/gate.rs"]
mod gate;
#[path = "observe/guard.rs"]
mod guard;
#[path = "observe/history.rs"]
mod history;
#[path = "observe/watchers.rs"]
mod watchers;
