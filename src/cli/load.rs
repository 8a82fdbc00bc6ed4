//! From arguments to a configuration and to the files of a policy: the same way for every command.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use bytes::Bytes;
use tokio::runtime::Builder;

use super::{ConfigArguments, PolicyArguments, Usage, complain};
use crate::{
    config::{Config, Given},
    policy::{
        Policy, PolicySet,
        bundle::{self, Bundle, Contents, Reading},
    },
    sources::{
        self,
        bundles::{
            Kind, Source,
            download::{Ask, Download, Downloader},
        },
        file::Files,
    },
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
    Ok(files)
}

/// Compiles the policy that arguments and configuration name.
pub(super) fn policy(arguments: &PolicyArguments, config: &Config) -> Result<Policy> {
    let given = files(arguments)?;
    let bundles = bundles(config, !given.is_empty())?;
    let files = if given.is_empty() && !bundles.is_empty() {
        Vec::new()
    } else {
        sources::read(&given).map_err(usage)?
    };
    let set = PolicySet {
        files: &files,
        bundles: &bundles,
    };
    let mut options = config.load_options();
    options.v0_compatible |= arguments.v0_compatible;
    Policy::load_set(&set, &options).map_err(usage)
}

/// The bundles of the configuration that are in files, verified as it says. What would have to be
/// fetched is an error, unless other policy is `given` in its place.
fn bundles(config: &Config, given: bool) -> Result<Vec<Arc<Bundle>>> {
    let in_file = |source: &&Source| matches!(source.kind, Kind::File(_));
    let (local, remote): (Vec<&Source>, Vec<&Source>) = config.bundles.iter().partition(in_file);
    let discovery = config.discovery.iter().map(|_| "discovery");
    let missing = remote.iter().map(|source| &*source.name).chain(discovery);
    let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        if !given {
            let text = format!(
                "the configuration's {missing} would have to be fetched: give the bundle's archive"
            );
            return Err(Usage(text).into());
        }
        complain(&format!("note: the configuration's {missing} is left out"));
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let read = |source| runtime.block_on(read(source));
    local.into_iter().map(read).collect()
}

async fn read(source: &Source) -> Result<Arc<Bundle>> {
    let asked = Downloader::new(source).download(Ask::default()).await;
    let archive = match asked.map_err(usage)? {
        Download::Archive(archive) => archive.bytes,
        Download::Unchanged { .. } => Bytes::new(),
    };
    let reading = Reading {
        limits: &source.limits,
        verification: &source.verification,
        last: None,
    };
    match bundle::read(&source.name, &archive, reading).map_err(usage)? {
        Contents::Snapshot(bundle) => Ok(Arc::new(bundle)),
        Contents::Delta(_) => {
            let text = format!("the bundle `{}` is a delta to another one", source.name);
            Err(Usage(text).into())
        }
    }
}

/// An error of the user's making, with its causes.
pub(super) fn usage(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    anyhow::Error::new(Usage(format!("{:#}", anyhow::Error::new(error))))
}
