//! `portcullis run`: serve checks until told to stop.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{ArgAction, Args};
use tokio::runtime::Builder;

use super::{ConfigArguments, PolicyArguments, Usage, load, opa::OpaArguments};
use crate::{
    app::{
        Stopped,
        build::{BuildError, build},
    },
    config::Config,
    shutdown,
    sources::file::Files,
    telemetry::{log, panics},
};

/// Arguments of `run`. Those that `opa run` has keep its names.
#[derive(Args, Clone, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    config: ConfigArguments,
    /// Load policies again when their files change
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, overrides_with = "watch")]
    watch: bool,
    /// Admin address, as `portcullis.admin.addr`
    #[arg(long, value_name = "ADDR")]
    diagnostic_addr: Option<String>,
    /// Log level, as `portcullis.log.level`: debug, info or error
    #[arg(short, long, value_name = "LEVEL")]
    log_level: Option<log::Level>,
    /// Log format, as `portcullis.log.format`: json, json-pretty or text
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<log::Format>,
    #[command(flatten)]
    opa: OpaArguments,
}

/// In OPA `-b` makes bundles of all paths, here of the one behind it: a path that would be loaded as
/// something else, and perhaps not verified, is not.
fn refuse_doubt(policy: &PolicyArguments) -> Result<()> {
    match policy.paths.first() {
        Some(path) if !policy.bundle.is_empty() => {
            let text = format!(
                "`{path}` stands beside `--bundle`: write `-b` before each bundle, and a policy that is none into one"
            );
            Err(Usage(text).into())
        }
        _ => Ok(()),
    }
}

/// Loads everything, serves, and ends with success when every check was answered.
pub(super) fn run(arguments: &Run) -> Result<ExitCode> {
    use_small_pages();
    refuse_doubt(&arguments.policy)?;
    let config = config(arguments)?;
    let files = load::files(&arguments.policy, &config)?;
    let _log = log::init(config.portcullis.log.level, config.portcullis.log.format)
        .context("logging cannot be set up")?;
    for warning in arguments.opa.warnings().iter().chain(&config.warnings) {
        tracing::warn!("{warning}");
    }
    if files.is_empty() && config.bundles.is_empty() && config.discovery.is_none() {
        tracing::warn!("no policy given: serving the embedded default policy");
    }
    serve(&config, files)
}

/// The allocator asks for huge pages, of which every thread then holds some that it needs little of: 18 MiB
/// when nothing is asked, and limits of containers count them.
fn use_small_pages() {
    // A kernel that has none, or denies this, changes nothing else.
    let _unchanged = rustix::thread::disable_transparent_huge_pages(true);
}

fn serve(config: &Config, files: Files) -> Result<ExitCode> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let (trigger, stop) = shutdown::channel();
        tokio::spawn(async move { trigger.on_signals().await });
        let mut stopped_early = stop.clone();
        let running = tokio::select! {
            running = build(config, files) => running.map_err(started)?,
            // Nobody was served yet: there is nothing to drain.
            () = stopped_early.asked() => return Ok(ExitCode::SUCCESS),
        };
        panics::watch();
        Ok(match running.run(stop).await {
            Stopped::Drained => ExitCode::SUCCESS,
            Stopped::TimedOut | Stopped::AtOnce => ExitCode::FAILURE,
        })
    });
    // Whoever is stuck in something that blocks has had its time.
    runtime.shutdown_background();
    served
}

/// What the user gave is told apart from what the machine refused.
fn started(error: BuildError) -> anyhow::Error {
    match error {
        BuildError::Source(_) | BuildError::Policy(_) | BuildError::Descriptor { .. } => {
            load::usage(error)
        }
        BuildError::Start(_) | BuildError::Recorder(_) | BuildError::Compiler(_) => error.into(),
    }
}

/// The configuration with the arguments that override it.
fn config(arguments: &Run) -> Result<Config> {
    arguments.opa.check()?;
    let mut config_arguments = arguments.config.clone();
    config_arguments.set.extend_from_slice(&arguments.opa.set);
    if let Some(address) = &arguments.diagnostic_addr {
        if address.contains([',', '=']) {
            return Err(Usage(format!("`{address}` is not an address")).into());
        }
        let set = format!("portcullis.admin.addr={address}");
        config_arguments.set.push(set);
    }
    let mut config = load::config(&config_arguments)?;
    let ours = &mut config.portcullis;
    ours.watch |= arguments.watch;
    ours.v0_compatible |= arguments.policy.v0_compatible;
    ours.log.level = arguments.log_level.unwrap_or(ours.log.level);
    ours.log.format = arguments.log_format.unwrap_or(ours.log.format);
    Ok(config)
}
