//! The `portcullis` binary: allocator and exit code; everything else is [`portcullis::cli`].

use std::process::ExitCode;

/// mimalloc instead of the system allocator: a check is a burst of small short-lived allocations,
/// which it serves about a fifth faster (`docs/performance.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::main()
}
