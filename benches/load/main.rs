//! Servers under load on loopback, as processes of one worker thread on the first core, with the load
//! on the second:
//!
//! - `no-op`: CPU a check beside a tonic server that only decodes the typed `CheckRequest`.
//! - `token`: CPU and latency of a check with a remembered token beside the same without one.
//! - `kids`: latency of valid traffic while tokens with unknown keys arrive beside it.
//! - `overload`: what is answered, how fast and with what memory, at one, two and five times what it can do.
//! - `isolation`: latency of cheap checks while one in a hundred runs into the limit of its evaluation.
//! - `soak`: minutes at half of what it can do, with a new policy every second.
//! - `console`: throughput with every decision logged to standard error, beside none.
//! - `sinks`: latency at a constant load while the service that decisions are sent to is healthy, slow,
//!   failing or absent, beside no decision log.
//! - `open`: the load generator by itself, against any `ext_authz` server.
//!
//! `cargo bench --bench load` runs all but `soak` and `open`, `-- NAME` one of them, `-- --test` all of them once
//! and briefly, `-- --help` says what can be set. Sides are measured in turn, so that a disturbance hits
//! both; bounded in count; every answer is checked.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement fails by panicking and prints what it found"
)]

#[path = "../../tests/support/jwks.rs"]
#[expect(dead_code, reason = "measures with some of what the tests need")]
mod jwks;

mod arguments;
mod client;
mod figures;
mod heavy;
mod isolation;
mod issuer;
mod kids;
mod logged;
mod noop;
mod open;
mod overload;
mod probes;
mod server;
mod setting;
mod soak;
mod target;
mod token;
mod verdict;

use std::process::{Command, ExitCode, Stdio};

use clap::Parser as _;

use self::arguments::Arguments;

/// Prints what it finds, and says whether that can be.
type Measure = fn(&Arguments) -> bool;

const MEASUREMENTS: [(&str, Measure); 9] = [
    ("no-op", |arguments| holds(noop::measure, arguments)),
    ("token", |arguments| holds(token::measure, arguments)),
    ("kids", |arguments| holds(kids::measure, arguments)),
    ("overload", overload::measure),
    ("isolation", isolation::measure),
    ("soak", soak::measure),
    ("console", logged::console),
    ("sinks", logged::sinks),
    ("open", target::measure),
];
/// These run when they are named, or briefly.
const ON_DEMAND: [&str; 2] = ["soak", "open"];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.serve_typed {
        noop::serve();
        return ExitCode::SUCCESS;
    }
    for name in &arguments.names {
        let known = MEASUREMENTS.iter().any(|(known, _)| known == name);
        assert!(known, "there is no measurement `{name}`");
    }
    if arguments.target.is_none() {
        stay_off_the_first_core();
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("the machine's load average is {}", load.trim_end());
    let mut held = true;
    for (name, measure) in MEASUREMENTS {
        let by_default = arguments.test || !ON_DEMAND.contains(&name);
        let named = arguments.names.iter().any(|wanted| wanted == name);
        if named || (arguments.names.is_empty() && by_default) {
            println!("\n## {name}");
            held &= measure(&arguments);
        }
    }
    if held {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs one that panics when something cannot be.
fn holds(measure: fn(bool), arguments: &Arguments) -> bool {
    measure(arguments.test);
    true
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
