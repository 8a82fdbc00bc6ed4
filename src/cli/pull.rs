//! `portcullis pull`: a bundle out of an OCI registry.

use std::{
    fs::Permissions, io::Write as _, os::unix::fs::PermissionsExt as _, path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    print,
    registry::{RegistryArguments, wait},
};
use crate::{policy::bundle::Limits, sources::bundles::download::oci};

/// Arguments of `pull`.
#[derive(Args, Clone, Debug)]
pub(super) struct Pull {
    /// From where, as `ghcr.io/org/policies:v1` or `ghcr.io/org/policies@sha256:…`
    reference: String,
    /// Write the archive here, all of it or nothing
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    registry: RegistryArguments,
}

/// Pulls, writes, and prints the reference by digest. Nobody has looked into the archive then.
pub(super) fn run(arguments: &Pull) -> Result<ExitCode> {
    let (client, address) = arguments.registry.resolve(&arguments.reference)?;
    let most = Limits::default().archive_bytes;
    let pulled = wait(oci::pull(&client, &address, None, most))?
        .context("the registry has nothing new, though nothing was known")?;
    let path = &arguments.output;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => std::path::Path::new("."),
    };
    let unwritable = || format!("cannot write `{}`", path.display());
    let mut file = tempfile::Builder::new()
        // As any file; the mask of the process takes away what it takes away.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(unwritable)?;
    file.write_all(&pulled.bytes).with_context(unwritable)?;
    file.as_file().sync_all().with_context(unwritable)?;
    file.persist(path).with_context(unwritable)?;
    print(&address.pinned(&pulled.digest))?;
    Ok(ExitCode::SUCCESS)
}
