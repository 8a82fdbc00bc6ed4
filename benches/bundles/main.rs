//! What a bundle of a million data entries costs: memory while it is loaded and swapped, time, and
//! what checks notice of it. And whether the first check after a swap is slower than the hundredth.
//!
//! `cargo bench --bench bundles` prints Markdown rows; each shape of data is measured in a process of
//! its own, which starts with nothing. `-- --test` does all of it once with few entries. Every check
//! is asserted.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a measurement fails by panicking and prints what it found"
)]

mod archive;
mod checks;
mod first;
mod memory;
mod swap;

use std::process::Command;

use archive::Shape;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let brief = arguments.iter().any(|argument| argument == "--test");
    let entries = if brief { 2_000 } else { 1_000_000 };
    if let Some(at) = arguments.iter().position(|argument| argument == "--shape") {
        return swap::measure(Shape::named(&arguments[at + 1]), entries, brief);
    }
    println!(
        "| data | JSON | step | read s | compile s | peak × JSON | after × JSON | p99 µs before → during | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for shape in Shape::ALL {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--shape", shape.name()]);
        if brief {
            child.arg("--test");
        }
        assert!(child.status().unwrap().success());
    }
    first::measure(if brief { 3 } else { 101 });
}
