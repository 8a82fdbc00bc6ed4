//! `portcullis inspect`: what a policy is made of and what of the input it reads.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{ConfigArguments, PolicyArguments, load, print};
use crate::sources::publish::describe;

/// Arguments of `inspect`.
#[derive(Args, Clone, Debug)]
pub(super) struct Inspect {
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    config: ConfigArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Compiles the policy and describes it.
pub(super) fn run(arguments: &Inspect) -> Result<ExitCode> {
    let config = load::config(&arguments.config)?;
    let policy = load::policy(&arguments.policy, &config)?;
    let mut description = describe(&policy);
    description.remove("active");
    if arguments.json {
        print(&serde_json::to_string_pretty(&description)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for key in [
        "revision",
        "entrypoint",
        "engine",
        "modules",
        "rules",
        "sends",
    ] {
        let value = description.get(key).unwrap_or(&Value::Null);
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        print(&format!("{key:<12} {value}"))?;
    }
    for key in ["packages", "interpreted_because", "reads"] {
        let values = description.get(key).and_then(Value::as_array);
        for (at, value) in values.into_iter().flatten().enumerate() {
            let label = if at == 0 { key } else { "" };
            print(&format!(
                "{label:<12} {}",
                value.as_str().unwrap_or_default()
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
