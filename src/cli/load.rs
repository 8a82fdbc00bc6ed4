//! From arguments to a configuration and to the files of a policy: the same way for every command.

use std::path::Path;

use anyhow::Result;

use super::{ConfigArguments, PolicyArguments, Usage};
use crate::{
    config::{Config, Given},
    policy::{Entrypoint, Policy, PolicySet},
    sources::{self, bundles::Kind, file::Files},
};

/// The configuration that the arguments name.
pub(super) fn config(arguments: &ConfigArguments) -> Result<Config> {
    let given = Given {
        file: arguments.config_file.as_deref(),
        set: &arguments.set,
        set_file: &arguments.set_file,
    };
    Config::load(given, &environment).map_err(usage)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line reads the environment for all"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The policy paths of the arguments; the bundles of the configuration are followed beside them.
pub(super) fn files(arguments: &PolicyArguments) -> Result<Files> {
    let mut files = Files::new(&arguments.ignore).map_err(usage)?;
    for path in &arguments.paths {
        files.add_path(path).map_err(usage)?;
    }
    for bundle in &arguments.bundle {
        files.add_bundle(Path::new(bundle));
    }
    Ok(files.verified(arguments.verification.verification()?))
}

/// The same with the bundles of the configuration that are files.
pub(super) fn files_and_bundles(arguments: &PolicyArguments, config: &Config) -> Result<Files> {
    let mut files = files(arguments)?;
    for bundle in &config.bundles {
        if let Kind::File(path) = &bundle.kind {
            files.add_bundle(path);
        }
    }
    Ok(files)
}

/// Compiles the policy that the arguments name.
pub(super) fn policy(arguments: &PolicyArguments, config: &Config) -> Result<Policy> {
    let files = files_and_bundles(arguments, config)?;
    let mut options = config.load_options();
    options.v0_compatible |= arguments.v0_compatible;
    let set = PolicySet {
        files: &sources::read(&files).map_err(usage)?,
        verification: Some(files.verification()),
        ..PolicySet::default()
    };
    Policy::load_set(&set, &options).map_err(usage)
}

/// An error of the user's making, with its causes.
pub(super) fn usage(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    anyhow::Error::new(Usage(format!("{:#}", anyhow::Error::new(error))))
}

/// The entrypoint of a path as `build --entrypoint` takes it: `envoy/authz/allow`.
pub(super) fn entrypoint(path: &str) -> Entrypoint {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    Entrypoint::Path(segments.map(str::to_owned).collect())
}
