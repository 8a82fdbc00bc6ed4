//! The `portcullis` binary: the exit code; everything else is [`portcullis::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis::cli::main()
}
