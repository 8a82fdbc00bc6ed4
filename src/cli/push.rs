//! `portcullis push`: a bundle into an OCI registry, as OPA pulls it from there.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    Usage, load, print,
    registry::{RegistryArguments, wait},
};
use crate::{
    policy::bundle::{Bundle, Contents, Limits, Reading, Verification, read},
    sources::bundles::download::oci,
};

/// Arguments of `push`.
#[derive(Args, Clone, Debug)]
pub(super) struct Push {
    /// Bundle archive, as `build` writes it
    file: PathBuf,
    /// Where to, as `ghcr.io/org/policies:v1`
    reference: String,
    #[command(flatten)]
    registry: RegistryArguments,
}

/// Reads the bundle, so that nothing else is pushed; pushes it and prints its reference by digest.
pub(super) fn run(arguments: &Push) -> Result<ExitCode> {
    let (client, address) = arguments.registry.resolve(&arguments.reference)?;
    if address.is_pinned() {
        let text = "a digest is what a push results in: push to a tag".to_owned();
        return Err(Usage(text).into());
    }
    let (archive, bundle) = bundle(arguments)?;
    let mut annotations = BTreeMap::new();
    if let Some(revision) = bundle.revision() {
        let key = "org.opencontainers.image.revision".to_owned();
        annotations.insert(key, revision.to_owned());
    }
    let digest = wait(oci::push(&client, &address, archive.into(), &annotations))?;
    print(&address.pinned(&digest))?;
    Ok(ExitCode::SUCCESS)
}

fn bundle(arguments: &Push) -> Result<(Vec<u8>, Bundle)> {
    let limits = Limits::default();
    let shown = arguments.file.display().to_string();
    let unreadable = || format!("cannot read `{shown}`");
    let mut archive = Vec::new();
    let file = File::open(&arguments.file).with_context(unreadable)?;
    file.take(limits.archive_bytes.saturating_add(1))
        .read_to_end(&mut archive)
        .with_context(unreadable)?;
    let most = limits.archive_bytes;
    if u64::try_from(archive.len()).unwrap_or(u64::MAX) > most {
        return Err(Usage(format!("`{shown}` is longer than {most} bytes")).into());
    }
    let reading = Reading {
        limits: &limits,
        // Who pushes need not have the keys: gates verify.
        verification: &Verification::Skip,
        last: None,
    };
    match read(&shown, &archive, reading).map_err(load::usage)? {
        Contents::Snapshot(bundle) => Ok((archive, bundle)),
        Contents::Delta(_) => {
            let text = format!("`{shown}` is a delta bundle: registries hold whole ones");
            Err(Usage(text).into())
        }
    }
}
