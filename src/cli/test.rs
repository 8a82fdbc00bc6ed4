//! `portcullis test`: the `test_` rules of a policy, as `opa test` runs them and as a bundle is held
//! to them before it is activated.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{PolicyArguments, Usage, load, print};
use crate::{
    config::Config,
    policy::{
        PolicySet,
        testing::{self, Bounds, Of, Outcome},
    },
    sources,
};

/// Arguments of `test`.
#[derive(Args, Clone, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Test {
    #[command(flatten)]
    policy: PolicyArguments,
    /// Show the tests that passed, too
    #[arg(short, long)]
    verbose: bool,
}

/// Runs every test; one that does not pass is exit code 1.
pub(super) fn run(arguments: &Test) -> Result<ExitCode> {
    let files = load::files(&arguments.policy)?;
    if files.is_empty() {
        return Err(Usage("what is to be tested? Give a path".to_owned()).into());
    }
    let read = sources::read(&files).map_err(load::usage)?;
    let set = PolicySet {
        files: &read,
        verification: Some(files.verification()),
        ..PolicySet::default()
    };
    let mut options = Config::default().load_options();
    options.v0_compatible = arguments.policy.v0_compatible;
    let results =
        testing::run(&set, &options, Of::Everything, Bounds::default()).map_err(load::usage)?;
    for result in &results {
        if arguments.verbose || result.outcome != Outcome::Passed {
            print(&format!("{result} ({:.1?})", result.time))?;
        }
    }
    let bad = results.iter().filter(|result| result.is_bad()).count();
    let skipped = |outcome: &Outcome| *outcome == Outcome::Skipped;
    let skipped = results.iter().filter(|result| skipped(&result.outcome));
    let (all, skipped) = (results.len(), skipped.count());
    let passed = all.saturating_sub(bad).saturating_sub(skipped);
    print(&format!(
        "{passed} of {all} tests passed, {bad} failed, {skipped} skipped"
    ))?;
    Ok(if bad == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
