//! Writes bundle archives: the same files give the same bytes, whoever writes them and when.

use std::collections::BTreeMap;

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use super::archive;
use super::manifest::Manifest;

/// What goes into an archive.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'p> {
    /// Path below the bundle's root, with or without a leading slash, and content.
    pub files: &'p [(String, Vec<u8>)],
    /// What goes to `.manifest`; `None`: there is none, unless `files` has one.
    pub manifest: Option<&'p Manifest>,
    /// What goes to `.signatures.json`.
    pub signatures: Option<&'p [u8]>,
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A path that no reader takes.
    #[error("`{path}` cannot go into a bundle: {rule}")]
    Path {
        /// The path.
        path: String,
        /// What it breaks.
        rule: &'static str,
    },
    /// Two files of one name.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// The manifest cannot be JSON.
    #[error("the manifest cannot be written")]
    Manifest(#[source] serde_json::Error),
    /// The archive could not be put together.
    #[error("the archive cannot be written")]
    Archive(#[source] std::io::Error),
}

/// Puts an archive together.
pub fn write(parts: Parts<'_>) -> Result<Vec<u8>, WriteError> {
    let manifest = parts.manifest.map(manifest_bytes).transpose()?;
    let own = [
        (".manifest", manifest.as_deref()),
        (".signatures.json", parts.signatures),
    ];
    let own = own
        .iter()
        .filter_map(|(path, bytes)| Some((*path, (*bytes)?)));
    let given = parts.files.iter();
    let given = given.map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
    let mut files = BTreeMap::new();
    for (path, bytes) in given.chain(own) {
        let path = archive::relative_path(path.as_bytes()).map_err(|rule| WriteError::Path {
            path: path.to_owned(),
            rule,
        })?;
        if files.contains_key(&path) {
            return Err(WriteError::Twice(path));
        }
        files.insert(path, bytes);
    }
    pack(&files).map_err(WriteError::Archive)
}

/// The bytes of a manifest, as [`write()`] puts them into the archive: what a signature speaks for.
pub fn manifest_bytes(manifest: &Manifest) -> Result<Vec<u8>, WriteError> {
    let mut bytes = serde_json::to_vec(manifest).map_err(WriteError::Manifest)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn pack(files: &BTreeMap<String, &[u8]>) -> std::io::Result<Vec<u8>> {
    // No time, and no name of an operating system, in the header of the compression.
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(UNKNOWN_SYSTEM)
        .write(Vec::new(), Compression::default());
    let mut archive = Builder::new(gzip);
    for (path, bytes) in files {
        let path = format!("/{path}");
        if path.len() > LONGEST_NAME {
            let mut name = path.clone().into_bytes();
            name.push(0);
            let header = header(LONG_NAME, EntryType::GNULongName, &name)?;
            archive.append(&header, name.as_slice())?;
        }
        let header = header(&path, EntryType::Regular, bytes)?;
        archive.append(&header, *bytes)?;
    }
    archive.into_inner()?.finish()
}

/// A header without times and owners.
fn header(path: &str, kind: EntryType, bytes: &[u8]) -> std::io::Result<Header> {
    let mut header = Header::new_gnu();
    // Not `set_path`: it refuses the leading slash that OPA writes.
    for (place, byte) in header.as_old_mut().name.iter_mut().zip(path.bytes()) {
        *place = byte;
    }
    header.set_entry_type(kind);
    header.set_size(u64::try_from(bytes.len()).map_err(std::io::Error::other)?);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    Ok(header)
}

/// What the name field of a header takes.
const LONGEST_NAME: usize = 100;

/// The name of an entry that holds the name of the next one (GNU tar).
const LONG_NAME: &str = "././@LongLink";

/// RFC 1952: 255 is an unknown operating system.
const UNKNOWN_SYSTEM: u8 = 255;

#[cfg(test)]
mod tests;
