//! The line of a check over real gRPC: real servers on free ports, a real client, answers decoded
//! with prost.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/jwks.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod key_server;

#[path = "line/admin.rs"]
mod admin;
#[path = "line/admission.rs"]
mod admission;
#[path = "line/answers.rs"]
mod answers;
#[path = "line/body.rs"]
mod body;
#[path = "line/bundles.rs"]
mod bundles;
#[path = "line/clocks.rs"]
mod clocks;
#[path = "line/exhaustion.rs"]
mod exhaustion;
#[path = "line/failures.rs"]
mod failures;
#[path = "line/hostile.rs"]
mod hostile;
#[path = "line/identity.rs"]
mod identity;
#[path = "line/idle.rs"]
mod idle;
#[path = "line/isolation.rs"]
mod isolation;
#[path = "line/log.rs"]
mod log;
#[path = "line/memory.rs"]
mod memory;
#[path = "line/process.rs"]
mod process;
#[path = "line/provoke.rs"]
mod provoke;
#[path = "line/reload.rs"]
mod reload;
#[path = "line/requests.rs"]
mod requests;
#[path = "line/server.rs"]
mod server;
#[path = "line/stalls.rs"]
mod stalls;
#[path = "line/stderr.rs"]
mod stderr;
#[path = "line/tokens.rs"]
mod tokens;
