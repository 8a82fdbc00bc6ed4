//! Bundle archives as the commands for authors handle them: every file with its content, whether a
//! policy uses it or not.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use tempfile::NamedTempFile;

use super::load::usage;
use crate::sources::file::Files;

/// A file of a bundle: its path below the root, and its content.
pub(super) type BundleFile = (String, Vec<u8>);

/// The archive at `path`, or the folder there as one. With `whole` a folder is read with every visible
/// file.
pub(super) fn read(path: &str, ignore: &[String], whole: bool) -> Result<Vec<u8>> {
    let mut files = Files::new(ignore).map_err(usage)?;
    files.add_bundle(Path::new(path));
    let files = if whole { files.whole() } else { files };
    let read = files.read().map_err(usage)?.files;
    Ok(read.into_iter().next().map(|file| file.bytes).unwrap_or_default())
}

/// Puts `bytes` at `path` in one step.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("cannot write `{}`", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    let mut file = NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Signatures and bundles are for others to read.
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).with_context(failed)?;
    }
    file.persist(path).with_context(failed)?;
    Ok(())
}

/// Every regular file of an archive.
pub(super) fn files(archive: &[u8]) -> Result<Vec<BundleFile>> {
    let mut files = Vec::new();
    let unpacked = MultiGzDecoder::new(archive).take(MAX_BYTES);
    for entry in tar::Archive::new(unpacked).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8(entry.path_bytes().into_owned())?;
        let path = path.strip_prefix("./").unwrap_or(&path);
        let path = path.strip_prefix('/').unwrap_or(path).to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.push((path, bytes));
    }
    Ok(files)
}

/// An archive of `files`: the same files give the same bytes.
pub(super) fn pack(files: &[BundleFile]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len())?);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, bytes.as_slice())?;
    }
    Ok(archive.into_inner()?.finish()?)
}

const MAX_BYTES: u64 = 1 << 30;
