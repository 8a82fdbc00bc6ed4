//! `portcullis inspect`: what a policy is made of and what of the input it reads.

mod bundles;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{ConfigArguments, PolicyArguments, load, print, signing::VerificationArguments};
use crate::{
    config::Config,
    policy::{Entrypoint, LoadOptions, Policy, PolicySet, bundle::Verification},
    sources::{self, publish::describe},
};
use bundles::Inspected;

/// Arguments of `inspect`.
#[derive(Args, Clone, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Inspect {
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    config: ConfigArguments,
    /// Rule whose reads are shown, as in `envoy/authz/allow`; may be repeated; default: those that a
    /// bundle notes, else the configuration's `path`
    #[arg(short, long, value_name = "PATH")]
    entrypoint: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Compiles the policy for each entrypoint and describes it.
pub(super) fn run(arguments: &Inspect) -> Result<ExitCode> {
    let config = load::config(&arguments.config)?;
    let files = load::files_and_bundles(&arguments.policy, &config)?;
    let files = sources::read(&files).map_err(load::usage)?;
    let verification = verification(&arguments.policy.verification)?;
    let bundles = bundles::of(&files, &verification)?;
    let set = PolicySet {
        files: &files,
        verification: Some(&verification),
        ..PolicySet::default()
    };
    let mut options = config.load_options();
    options.v0_compatible |= arguments.policy.v0_compatible;
    let mut described = Vec::new();
    for entrypoint in entrypoints(arguments, &config, &bundles) {
        described.push(description(&set, entrypoint, &options)?);
    }
    let described = match described.as_slice() {
        [] => vec![without_entrypoint(&set, &options)?],
        _ => described,
    };
    let mut all = described.first().cloned().unwrap_or_default();
    let each = described.iter().map(|of| {
        let mut of = of.clone();
        of.retain(|key, _| PER_ENTRYPOINT.contains(&key.as_str()));
        Value::Object(of)
    });
    all.insert("entrypoints".to_owned(), each.collect());
    all.insert(
        "bundles".to_owned(),
        bundles.iter().map(Inspected::json).collect(),
    );
    let sizes = files
        .iter()
        .map(|file| json!({"path": file.name, "bytes": file.bytes.len()}));
    all.insert("files".to_owned(), sizes.collect());
    if arguments.json {
        print(&serde_json::to_string_pretty(&all)?)?;
    } else {
        show(&all, &bundles)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Without a key, signatures are shown and not verified: nothing is served here.
fn verification(arguments: &VerificationArguments) -> Result<Verification> {
    Ok(match arguments.verification()? {
        Verification::None | Verification::Skip => Verification::Skip,
        Verification::Signed(verifier) => Verification::Signed(verifier),
    })
}

/// What to describe; nothing for a bundle that notes no entrypoint where nobody says another.
fn entrypoints(arguments: &Inspect, config: &Config, bundles: &[Inspected]) -> Vec<Entrypoint> {
    let noted = bundles.iter().flat_map(|bundle| &bundle.entrypoints);
    let paths: Vec<&String> = match arguments.entrypoint.as_slice() {
        [] => noted.collect(),
        given => given.iter().collect(),
    };
    let configured = &arguments.config;
    if !paths.is_empty() {
        paths
            .into_iter()
            .map(|path| load::entrypoint(path))
            .collect()
    } else if bundles.is_empty() || configured.config_file.is_some() || !configured.set.is_empty() {
        vec![config.plugin.entrypoint.clone()]
    } else {
        Vec::new()
    }
}

fn description(
    set: &PolicySet<'_>,
    entrypoint: Entrypoint,
    options: &LoadOptions,
) -> Result<Map<String, Value>> {
    let options = LoadOptions {
        entrypoint,
        ..options.clone()
    };
    let mut description = describe(&Policy::load_set(set, &options).map_err(load::usage)?);
    description.remove("active");
    Ok(description)
}

/// A bundle that notes no entrypoint is tried with the usual one, else described without any.
fn without_entrypoint(set: &PolicySet<'_>, options: &LoadOptions) -> Result<Map<String, Value>> {
    let every_module = Entrypoint::Query("true".to_owned());
    let mut all = description(set, every_module, options)?;
    if let Ok(usual) = description(set, options.entrypoint.clone(), options) {
        return Ok(usual);
    }
    for key in PER_ENTRYPOINT {
        all.insert(key.to_owned(), Value::Null);
    }
    Ok(all)
}

fn show(all: &Map<String, Value>, bundles: &[Inspected]) -> Result<()> {
    let value = |of: &Map<String, Value>, key: &str| match of.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "none".to_owned(),
        Some(other) => other.to_string(),
    };
    let list = |of: &Map<String, Value>, key: &str| -> Result<()> {
        let values = of.get(key).and_then(Value::as_array);
        for (at, value) in values.into_iter().flatten().enumerate() {
            let label = if at == 0 { key } else { "" };
            print(&format!(
                "{label:<12} {}",
                value.as_str().unwrap_or_default()
            ))?;
        }
        Ok(())
    };
    for key in ["revision", "modules", "rules", "sends"] {
        print(&format!("{key:<12} {}", value(all, key)))?;
    }
    list(all, "packages")?;
    list(all, "nondeterministic")?;
    for of in all
        .get("entrypoints")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Some(of) = of.as_object() else { continue };
        for key in ["entrypoint", "engine"] {
            print(&format!("{key:<12} {}", value(of, key)))?;
        }
        list(of, "interpreted_because")?;
        list(of, "reads")?;
    }
    for bundle in bundles {
        print(&bundle.to_string())?;
    }
    Ok(())
}

/// What differs between two entrypoints of one policy.
const PER_ENTRYPOINT: [&str; 4] = ["entrypoint", "engine", "interpreted_because", "reads"];
