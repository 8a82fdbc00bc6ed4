//! Bundles: an archive is handed on as it is, a folder laid out like a bundle is packed into one.
//!
//! So a bundle has one meaning, that of its archive, and the policy loader knows one form.

use std::{io, path::Path};

use flate2::{Compression, write::GzEncoder};

use super::{
    SourceError,
    walk::{Found, Walk, extension, is_archive, is_folder, name_of, unreadable},
};
use crate::policy::{PolicyFile, bundle::SIGNATURES};

/// Reads the bundle at `path`.
/// Of a folder, every visible file with `whole`.
pub(super) fn read(walk: &mut Walk<'_>, path: &Path, whole: bool) -> Result<PolicyFile, SourceError> {
    if is_folder(path)? {
        return pack(walk, path, whole);
    }
    if !is_archive(&name_of(path)) {
        return Err(SourceError::UnknownKind(path.to_owned()));
    }
    walk.policy_file(path, Vec::new())
}

fn pack(walk: &mut Walk<'_>, root: &Path, whole: bool) -> Result<PolicyFile, SourceError> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    // A signature speaks for every file, also for those that nobody uses.
    let wanted = if whole || root.join(SIGNATURES).exists() {
        belongs_to_a_whole_bundle
    } else {
        belongs_to_a_bundle
    };
    for Found { path, .. } in walk.below(root, wanted)? {
        let bytes = walk.bytes_of(&path)?;
        let inside = path.strip_prefix(root).unwrap_or(&path);
        append(&mut archive, inside, &bytes).map_err(unreadable(&path))?;
    }
    let bytes = archive
        .into_inner()
        .and_then(GzEncoder::finish)
        .map_err(unreadable(root))?;
    Ok(PolicyFile {
        name: format!("{}.tar.gz", root.display()),
        data_path: Vec::new(),
        bytes,
    })
}

fn append(archive: &mut tar::Builder<impl io::Write>, name: &Path, bytes: &[u8]) -> io::Result<()> {
    // No times and owners: the same files give the same bytes.
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::try_from(bytes.len()).map_err(io::Error::other)?);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, bytes)
}

fn belongs_to_a_bundle(name: &str) -> bool {
    let module = extension(name) == Some("rego") && !name.starts_with('.');
    module || BUNDLE_FILES.contains(&name)
}

/// Hidden files are the folder's own affair, such as a repository's.
fn belongs_to_a_whole_bundle(name: &str) -> bool {
    !name.starts_with('.') || BUNDLE_FILES.contains(&name)
}

const BUNDLE_FILES: [&str; 5] = [
    ".manifest",
    SIGNATURES,
    "data.json",
    "data.yaml",
    "data.yml",
];
