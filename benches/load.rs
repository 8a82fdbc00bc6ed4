//! Servers under load on loopback, as processes of one worker thread on the first core, with the load
//! on the second:
//!
//! - `no-op`: CPU a check beside a tonic server that only decodes the typed `CheckRequest`.
//! - `token`: CPU and latency of a check with a remembered token beside the same without one.
//! - `kids`: latency of valid traffic while tokens with unknown keys arrive beside it.
//!
//! `cargo bench --bench load` runs all, `-- NAME` one of them, `-- --test` all of them once and briefly.
//! Sides are measured in turn, so that a disturbance hits both; bounded in count; every answer is checked.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement fails by panicking and prints what it found"
)]

#[path = "../tests/support/jwks.rs"]
#[expect(dead_code, reason = "measures with some of what the tests need")]
mod jwks;

#[path = "load/client.rs"]
mod client;
#[path = "load/figures.rs"]
mod figures;
#[path = "load/issuer.rs"]
mod issuer;
#[path = "load/kids.rs"]
mod kids;
#[path = "load/noop.rs"]
mod noop;
#[path = "load/server.rs"]
mod server;
#[path = "load/token.rs"]
mod token;

use std::process::{Command, Stdio};

/// Prints what it finds; takes whether to be brief.
type Measure = fn(bool);

const MEASUREMENTS: [(&str, Measure); 3] = [
    ("no-op", noop::measure),
    ("token", token::measure),
    ("kids", kids::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == noop::SERVE) {
        return noop::serve();
    }
    let brief = arguments.iter().any(|a| a == "--test");
    let names: Vec<&String> = arguments.iter().filter(|a| !a.starts_with("--")).collect();
    for name in &names {
        let known = MEASUREMENTS.iter().any(|(known, _)| known == name);
        assert!(known, "there is no measurement `{name}`");
    }
    stay_off_the_first_core();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("the machine's load average is {}", load.trim_end());
    for (name, measure) in MEASUREMENTS {
        if names.is_empty() || names.iter().any(|wanted| *wanted == name) {
            measure(brief);
        }
    }
}

/// The servers have it for themselves.
fn stay_off_the_first_core() {
    let own = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", "1", &own])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the load needs a second core");
}
