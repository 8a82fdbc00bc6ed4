//! From arguments to a configuration and to the files of a policy: the same way for every command.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use bytes::Bytes;
use tokio::runtime::Builder;

use super::{ConfigArguments, PolicyArguments, Usage, complain};
use crate::{
    config::{Config, Given},
    policy::{
        Entrypoint, LoadError, LoadOptions, Policy, PolicySet,
        bundle::{self, Bundle, Contents, Reading, Verification},
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
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The policy paths of the arguments; the bundles of the configuration are followed beside them. What
/// the arguments do not say of verification the configuration's `keys` say.
pub(super) fn files(arguments: &PolicyArguments, config: &Config) -> Result<Files> {
    let mut files = Files::new(&arguments.ignore).map_err(usage)?;
    for path in &arguments.paths {
        files.add_path(path).map_err(usage)?;
    }
    for bundle in &arguments.bundle {
        files.add_bundle(Path::new(bundle));
    }
    let verification = match arguments.verification.verification()? {
        Verification::None => Arc::clone(&config.verification),
        Verification::Skip if config.portcullis.bundles.requires_signatures() => {
            let text = "`--skip-verify` stands against `portcullis.bundles.require_signature`";
            return Err(Usage(text.to_owned()).into());
        }
        asked @ (Verification::Skip | Verification::Signed(_)) => Arc::new(asked),
    };
    Ok(files.verified(verification))
}

/// Compiles the policy that arguments and configuration name.
pub(super) fn policy(arguments: &PolicyArguments, config: &Config) -> Result<Policy> {
    compiled(arguments, config, Policy::load_set)
}

/// Has `compile` make something of the policy that arguments and configuration name.
pub(super) fn compiled<T>(
    arguments: &PolicyArguments,
    config: &Config,
    compile: impl FnOnce(&PolicySet<'_>, &LoadOptions) -> Result<T, LoadError>,
) -> Result<T> {
    let given = files(arguments, config)?;
    check_remote(config, !given.is_empty())?;
    let bundles = bundles(config)?;
    let files = if given.is_empty() && !bundles.is_empty() {
        Vec::new()
    } else {
        sources::read(&given).map_err(usage)?
    };
    let set = PolicySet {
        files: &files,
        bundles: &bundles,
        verification: Some(given.verification()),
    };
    let mut options = config.load_options();
    options.v0_compatible |= arguments.v0_compatible;
    compile(&set, &options).map_err(usage)
}

/// What would have to be fetched is an error, unless other policy is `given` in its place.
fn check_remote(config: &Config, given: bool) -> Result<()> {
    let remote = |source: &&Source| match source.kind {
        Kind::File(_) => false,
        Kind::Http { .. } | Kind::Oci { .. } | Kind::Object { .. } => true,
    };
    let bundles = config.bundles.iter().filter(remote);
    let discovery = config.discovery.iter().map(|_| "discovery");
    let missing = bundles.map(|source| &*source.name).chain(discovery);
    let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    if given {
        complain(&format!("note: the configuration's {missing} is left out"));
        return Ok(());
    }
    let text = format!(
        "the configuration's {missing} would have to be fetched: give the bundle's archive"
    );
    Err(Usage(text).into())
}

/// The bundles of the configuration that are in files, verified as it says.
fn bundles(config: &Config) -> Result<Vec<Arc<Bundle>>> {
    let in_file = |source: &&Source| match source.kind {
        Kind::File(_) => true,
        Kind::Http { .. } | Kind::Oci { .. } | Kind::Object { .. } => false,
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let read = |source| runtime.block_on(read(source));
    config.bundles.iter().filter(in_file).map(read).collect()
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

/// The policy paths of the arguments with the bundles of the configuration that are in files.
pub(super) fn files_and_bundles(arguments: &PolicyArguments, config: &Config) -> Result<Files> {
    let mut files = files(arguments, config)?;
    check_remote(config, !files.is_empty())?;
    for bundle in &config.bundles {
        if let Kind::File(path) = &bundle.kind {
            files.add_bundle(path);
        }
    }
    Ok(files)
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
