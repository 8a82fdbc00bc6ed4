//! Bundles: an archive is handed on as it is, a folder laid out like a bundle is packed into one.
//!
//! So a bundle has one meaning, that of its archive, and the policy loader knows one form.

use std::path::Path;

use super::{
    SourceError,
    walk::{Found, Walk, extension, is_archive, is_folder, name_of},
};
use crate::policy::{
    PolicyFile,
    bundle::{self, Parts, SIGNATURES},
};

/// Reads the bundle at `path`; of a folder every visible file with `whole`.
pub(super) fn read(
    walk: &mut Walk<'_>,
    path: &Path,
    whole: bool,
) -> Result<PolicyFile, SourceError> {
    if is_folder(path)? {
        return pack(walk, path, whole);
    }
    if !is_archive(&name_of(path)) {
        return Err(SourceError::UnknownKind(path.to_owned()));
    }
    walk.policy_file(path, Vec::new())
}

fn pack(walk: &mut Walk<'_>, root: &Path, whole: bool) -> Result<PolicyFile, SourceError> {
    // A signature speaks for every file, also for those that nobody uses.
    let wanted = if whole || root.join(SIGNATURES).exists() {
        belongs_to_a_whole_bundle
    } else {
        belongs_to_a_bundle
    };
    let mut files = Vec::new();
    for Found { path, .. } in walk.below(root, wanted)? {
        let bytes = walk.bytes_of(&path)?;
        let inside = path.strip_prefix(root).unwrap_or(&path);
        files.push((inside.display().to_string(), bytes));
    }
    let parts = Parts {
        files: &files,
        manifest: None,
        signatures: None,
    };
    let bytes = bundle::write(parts).map_err(|source| SourceError::Bundle {
        path: root.to_owned(),
        source,
    })?;
    Ok(PolicyFile {
        // The slash tells a folder from an archive.
        name: format!("{}/", root.display()),
        data_path: Vec::new(),
        bytes,
    })
}

fn belongs_to_a_bundle(name: &str) -> bool {
    let module = extension(name) == Some("rego") && !name.starts_with('.');
    module || BUNDLE_FILES.contains(&name)
}

/// Hidden files are the folder's own affair, such as a repository's.
fn belongs_to_a_whole_bundle(name: &str) -> bool {
    !name.starts_with('.') || BUNDLE_FILES.contains(&name)
}

const BUNDLE_FILES: [&str; 6] = [
    ".manifest",
    SIGNATURES,
    "data.json",
    "data.yaml",
    "data.yml",
    "patch.json",
];
