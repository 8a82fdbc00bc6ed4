//! Spans and log records on their way to a collector of OpenTelemetry: a real one of our own, over gRPC and
//! HTTP, that takes, refuses, fails, or is not there.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

#[path = "support/certificates.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod certificates;

#[path = "traces/collector.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod collector;
#[path = "traces/decisions.rs"]
mod decisions;
#[path = "traces/gate.rs"]
mod gate;
#[path = "traces/losses.rs"]
mod losses;
#[path = "traces/parents.rs"]
mod parents;
#[path = "traces/threads.rs"]
mod threads;
#[path = "traces/ways.rs"]
mod ways;
