//! Bundle archives as the commands for authors handle them: every file with its content, whether a
//! policy uses it or not.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

use super::load::usage;
use crate::{
    policy::bundle::{self, Limits, Parts},
    sources::file::Files,
};

/// A file of a bundle: its path below the root, and its content.
pub(super) type BundleFile = (String, Vec<u8>);

/// The archive at `path`, or the folder there as one. With `whole` a folder is read with every visible
/// file.
pub(super) fn read(path: &str, ignore: &[String], whole: bool) -> Result<Vec<u8>> {
    let mut files = Files::new(ignore).map_err(usage)?;
    files.add_bundle(Path::new(path));
    let files = if whole { files.whole() } else { files };
    let read = files.read().map_err(usage)?.files;
    let only = read.into_iter().next();
    Ok(only.map(|file| file.bytes).unwrap_or_default())
}

/// Every file of the archive called `name`.
pub(super) fn files(name: &str, archive: &[u8]) -> Result<Vec<BundleFile>> {
    Ok(bundle::files(name, archive, &Limits::default())?)
}

/// Files as a signer takes them.
pub(super) fn borrowed(files: &[BundleFile]) -> impl Iterator<Item = (&str, &[u8])> {
    files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
}

/// An archive of `files`.
pub(super) fn pack(files: &[BundleFile], signatures: Option<&[u8]>) -> Result<Vec<u8>> {
    Ok(bundle::write(Parts {
        files,
        manifest: None,
        signatures,
    })?)
}

/// Puts `bytes` at `path` in one step.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("cannot write `{}`", path.display());
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut file = NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    // Unlike most temporary files, bundles and signatures are for others to read.
    let readable = fs::Permissions::from_mode(0o644);
    file.as_file()
        .set_permissions(readable)
        .with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}
