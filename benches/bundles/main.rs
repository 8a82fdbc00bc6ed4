//! What a bundle of a million data entries costs: memory while it is loaded and swapped, time, and
//! what checks notice of it. And whether the first check after a swap is slower than the hundredth.
//!
//! `cargo bench --bench bundles` prints Markdown rows; each shape of data is measured in a process of
//! its own, which starts with nothing; `--entries N` is for another number of them. `-- --test` does all
//! of it once with few entries. Every check is asserted.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a measurement fails by panicking and prints what it found"
)]

mod archive;
mod checks;
mod first;
mod memory;
mod swap;

use std::{path::Path, process::Command};

use archive::Shape;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let brief = arguments.iter().any(|argument| argument == "--test");
    let value_of = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let entries = match value_of("--entries") {
        Some(entries) => entries.parse().unwrap(),
        None if brief => 2_000,
        None => 1_000_000,
    };
    let shape = value_of("--shape").map(|name| Shape::named(name));
    let folder = value_of("--folder").map(Path::new);
    match (shape, folder) {
        (Some(shape), Some(folder)) if arguments.iter().any(|argument| argument == "--write") => {
            return archive::write(shape, entries, folder);
        }
        (Some(shape), Some(folder)) => return swap::measure(shape, entries, folder, brief),
        (Some(_) | None, None) | (None, Some(_)) => {}
    }
    println!(
        "| data | JSON | step | read s | compile s | peak × JSON | after 1 s × JSON | after 4 s × JSON | p99 µs before → during | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for shape in Shape::ALL {
        let folder = tempfile::tempdir().unwrap();
        let run = |step: &[&str]| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--shape", shape.name(), "--entries", &entries.to_string()]);
            child.arg("--folder").arg(folder.path()).args(step);
            assert!(child.status().unwrap().success());
        };
        run(&["--write"]);
        run(if brief { &["--test"] } else { &[] });
    }
    first::measure(if brief { 3 } else { 101 });
}
