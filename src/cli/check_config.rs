//! `portcullis check-config`: the same validation that `run` starts with, and nothing else.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{ConfigArguments, complain, load, print};

/// Arguments of `check-config`.
#[derive(Args, Clone, Debug)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    config: ConfigArguments,
}

/// Says that the configuration is good, with its warnings, or names every problem.
pub(super) fn run(arguments: &CheckConfig) -> Result<ExitCode> {
    let config = load::config(&arguments.config)?;
    for warning in &config.warnings {
        complain(&format!("warning: {warning}"));
    }
    print("the configuration is valid")?;
    Ok(ExitCode::SUCCESS)
}
