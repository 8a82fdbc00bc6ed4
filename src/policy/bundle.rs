//! OPA bundle archives: a gzip tar with Rego modules, data files and a manifest.
//!
//! Reads bytes into memory and nothing else: no name in an archive ever touches a file system.
//! Every size is bounded while it streams, because a few kilobytes can unpack to any size.

mod limits;
mod manifest;
mod order;
mod signature;

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use regorus::Value;
use tar::{Archive, Entry, EntryType};

use super::LoadError;
use super::data::{self, DataTree};
use super::diagnostic::Diagnostic;
pub use limits::Limits;
pub use manifest::Manifest;
pub(super) use manifest::{Roots, overlap};
pub use order::{OrderError, RevisionOrder};
pub use signature::{
    Attested, Claims, HashAlgorithm, InvalidKey, InvalidVerifier, Key, PrivateKey, SIGNATURES,
    Signer, SigningError, Verification, Verifier,
};

/// A bundle that was read: whole, verified as asked, immutable. Its data is shared, not copied, by
/// every policy that is made with it.
#[derive(Debug)]
pub struct Bundle {
    pub(super) name: Arc<str>,
    pub(super) manifest: Manifest,
    pub(super) roots: Roots,
    pub(super) modules: Vec<BundleModule>,
    pub(super) data: Value,
    /// Length of the archive it came in, in bytes.
    size: u64,
}

/// What an archive holds.
#[derive(Debug)]
pub enum Contents {
    /// A whole bundle.
    Snapshot(Bundle),
    /// Changes to the data of a bundle that is there (`patch.json`).
    Delta(Delta),
}

/// Changes to the data of a bundle.
#[derive(Debug)]
pub struct Delta {
    manifest: Manifest,
}

/// How an archive is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// How large it may be.
    pub limits: &'a Limits,
    /// What makes it genuine.
    pub verification: &'a Verification,
    /// The bundle that it follows: what is equal in both is kept once.
    pub last: Option<&'a Bundle>,
}

impl Bundle {
    /// The name it is configured under, or its file's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `revision` of its manifest; `None` when that is missing or empty.
    pub fn revision(&self) -> Option<&str> {
        self.manifest.revision.as_deref()
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Length of the archive it came in, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// This bundle with the changes of `delta`, which must concern its roots alone.
    pub fn patched(&self, delta: &Delta) -> Result<Self, LoadError> {
        let _ = &delta.manifest;
        Err(LoadError(vec![Diagnostic::of_file(
            &self.name,
            "delta bundles are not supported yet",
        )]))
    }
}

/// A Rego module of a bundle.
#[derive(Debug)]
pub(super) struct BundleModule {
    /// `bundle.tar.gz/path/in/bundle.rego`.
    pub(super) name: String,
    pub(super) text: String,
    /// Whether the manifest says which version it is; `None` leaves it to the options.
    pub(super) v0: Option<bool>,
}

/// A file of an archive that a bundle uses.
struct File {
    /// Path below the bundle's root, without a leading slash.
    path: String,
    bytes: Vec<u8>,
}

/// Reads the archive of the bundle `name`; every problem in it is reported.
pub fn read(name: &str, archive: &[u8], reading: Reading<'_>) -> Result<Contents, LoadError> {
    let _ = reading;
    snapshot(name, archive)
        .map(Contents::Snapshot)
        .map_err(LoadError)
}

fn snapshot(name: &str, bytes: &[u8]) -> Result<Bundle, Vec<Diagnostic>> {
    let files = unpack(name, bytes).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let manifest = match files.iter().find(|file| file.path == MANIFEST) {
        Some(file) => Manifest::parse(&format!("{name}/{MANIFEST}"), &file.bytes)
            .map_err(|problem| vec![problem])?,
        None => Manifest::default(),
    };
    let roots = manifest.roots(name).map_err(|problem| vec![problem])?;
    let mut modules = Vec::new();
    let mut tree = DataTree::new();
    for file in files {
        let full = format!("{name}/{}", file.path);
        let (folder, base) = match file.path.rsplit_once('/') {
            Some((folder, base)) => (folder, base),
            None => ("", file.path.as_str()),
        };
        match base {
            "data.json" | "data.yaml" | "data.yml" => {
                let path: Vec<String> = folder
                    .split('/')
                    .filter(|segment| !segment.is_empty())
                    .map(str::to_owned)
                    .collect();
                let added =
                    data::parse(&full, &file.bytes).and_then(|value| tree.add(&full, &path, value));
                problems.extend(added.err());
            }
            _ if data::file_extension(base) == Some("rego") => {
                match String::from_utf8(file.bytes) {
                    Ok(text) => modules.push(BundleModule {
                        v0: manifest.is_v0(&file.path),
                        name: full,
                        text,
                    }),
                    Err(_) => problems.push(Diagnostic::of_file(&full, "a module must be UTF-8")),
                }
            }
            _ => {}
        }
    }
    problems.extend(roots.problems_of_data(name, tree.root()));
    if problems.is_empty() {
        Ok(Bundle {
            name: name.into(),
            manifest,
            roots,
            modules,
            data: tree.root().clone(),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        })
    } else {
        Err(problems)
    }
}

/// The files a bundle uses, in the archive's order.
fn unpack(name: &str, bytes: &[u8]) -> Result<Vec<File>, Diagnostic> {
    let unreadable = |error: std::io::Error| {
        Diagnostic::of_file(name, format!("not a readable bundle archive: {error}"))
            .hinting("a bundle is a gzip-compressed tar archive, as `opa build` writes it")
    };
    let mut archive = Archive::new(MultiGzDecoder::new(bytes).take(MAX_UNPACKED_BYTES));
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    for (count, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        if count >= MAX_ENTRIES {
            return Err(Diagnostic::of_file(
                name,
                format!("a bundle has at most {MAX_ENTRIES} entries"),
            ));
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                // The tar reader cannot tell "cut off by our bound" from "cut off".
                return Err(unreadable(error).hinting(format!(
                    "a bundle unpacks to at most {MAX_UNPACKED_BYTES} bytes"
                )));
            }
        };
        if let Some(file) = read_entry(name, entry)? {
            if !seen.insert(file.path.clone()) {
                return Err(Diagnostic::of_file(
                    name,
                    format!("`{}` is in the archive twice", file.path),
                ));
            }
            files.push(file);
        }
    }
    // Reads on to the gzip trailer, whose checksum covers what was used.
    let mut rest = archive.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(unreadable)?;
    if rest.limit() == 0 {
        return Err(Diagnostic::of_file(
            name,
            format!("a bundle unpacks to at most {MAX_UNPACKED_BYTES} bytes"),
        ));
    }
    Ok(files)
}

/// One entry, if a bundle uses it.
fn read_entry(name: &str, mut entry: Entry<'_, impl Read>) -> Result<Option<File>, Diagnostic> {
    let raw = entry.path_bytes().into_owned();
    let shown = String::from_utf8_lossy(&raw).into_owned();
    let refuse = |rule: &str| Diagnostic::of_file(name, format!("entry `{shown}`: {rule}"));
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => {}
        EntryType::Directory | EntryType::XGlobalHeader => return Ok(None),
        EntryType::Link
        | EntryType::Symlink
        | EntryType::Char
        | EntryType::Block
        | EntryType::Fifo
        | EntryType::GNULongName
        | EntryType::GNULongLink
        | EntryType::GNUSparse
        | EntryType::XHeader => {
            return Err(refuse("a bundle holds regular files and folders only"));
        }
        _ => return Err(refuse("an unknown kind of tar entry")),
    }
    let path = std::str::from_utf8(&raw)
        .ok()
        .and_then(relative_path)
        .ok_or_else(|| refuse("a path must stay below the bundle's root"))?;
    let base = path.rsplit('/').next().unwrap_or(&path);
    match base {
        "policy.wasm" | "plan.json" | "patch.json" => {
            let problem = refuse("not supported: portcullis evaluates Rego source");
            return Err(problem.hinting("build the bundle with `opa build` without `--target`"));
        }
        "data.json" | "data.yaml" | "data.yml" => {}
        _ if path == MANIFEST || data::file_extension(base) == Some("rego") => {}
        _ => return Ok(None),
    }
    let mut bytes = Vec::new();
    (&mut entry)
        .take(MAX_FILE_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(&format!("cannot be read: {error}")))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(refuse(&format!("a file is at most {MAX_FILE_BYTES} bytes")));
    }
    Ok(Some(File { path, bytes }))
}

/// The path below the bundle's root. `opa build` writes `/a/b`, tar writes `./a/b`; both mean
/// `a/b`. Whatever else is unusual in a path is refused rather than interpreted.
fn relative_path(raw: &str) -> Option<String> {
    let path = raw.strip_prefix("./").unwrap_or(raw);
    let path = path.strip_prefix('/').unwrap_or(path);
    let tidy = !path.is_empty()
        && !path.contains(['\\', '\0'])
        && path
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."));
    tidy.then(|| path.to_owned())
}

const MANIFEST: &str = ".manifest";

/// What an archive may unpack to, tar headers included.
const MAX_UNPACKED_BYTES: u64 = 128 << 20;

/// What one file in an archive may unpack to.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// How many entries an archive may have.
const MAX_ENTRIES: usize = 10_000;

#[cfg(test)]
mod tests;
