//! OPA bundle archives: a gzip tar with Rego modules, data files and a manifest.
//!
//! Reads bytes into memory and nothing else: no name in an archive ever touches a file system.
//! Every size is bounded while it streams, because a few kilobytes can unpack to any size.

mod archive;
mod contents;
mod delta;
mod limits;
mod manifest;
mod order;
mod roots;
mod signature;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use regorus::Value;

use super::LoadError;
use crate::digest::Digest;
pub use delta::Delta;
pub use limits::Limits;
pub use manifest::Manifest;
pub use order::{OrderError, RevisionOrder};
pub(super) use roots::{RESERVED, Roots, is_reserved, overlap};
pub use signature::{
    Attested, Claims, HashAlgorithm, InvalidKey, InvalidVerifier, Key, PrivateKey, SIGNATURES,
    Signer, SigningError, Verification, Verifier, claimed_key,
};
pub use write::{Parts, WriteError, manifest_bytes, write};

/// A bundle that was read: whole, verified as asked, immutable. Its data is shared, not copied, by
/// every policy that is made with it.
#[derive(Debug)]
pub struct Bundle {
    pub(super) name: Arc<str>,
    manifest: Manifest,
    /// `ETag` it was downloaded with; empty for a file.
    etag: String,
    /// Id of the key whose signature was verified.
    signed_by: Option<String>,
    pub(super) roots: Roots,
    pub(super) modules: Vec<BundleModule>,
    pub(super) data: Value,
    archive: Archive,
}

/// What is known of the archive that something came in.
#[derive(Clone, Copy, Debug)]
struct Archive {
    /// Its length in bytes.
    size: u64,
    /// What tells its content from any other.
    digest: Digest,
}

/// What an archive holds.
#[derive(Debug)]
pub enum Contents {
    /// A whole bundle.
    Snapshot(Bundle),
    /// Changes to the data of a bundle that is there (`patch.json`).
    Delta(Delta),
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
        self.manifest.revision()
    }

    /// What tells its content, deltas included, from any other.
    pub(super) fn digest(&self) -> &Digest {
        &self.archive.digest
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The id of the key whose signature was verified; `None` when none was.
    pub fn signed_by(&self) -> Option<&str> {
        self.signed_by.as_deref()
    }

    /// Length of the archive it came in, in bytes.
    pub fn size(&self) -> u64 {
        self.archive.size
    }

    /// This bundle, downloaded with an `ETag`: `data.system.bundles.<name>.etag`.
    #[must_use]
    pub fn with_etag(mut self, etag: &str) -> Self {
        etag.clone_into(&mut self.etag);
        self
    }

    /// This bundle with all changes of `delta`, or with none. Takes as long as the changes are many
    /// and the objects around them wide; everything else is shared with this bundle.
    pub fn patched(&self, delta: &Delta) -> Result<Self, LoadError> {
        delta.applied_to(self)
    }

    /// What `data` says about it: `{"system": {"bundles": {"<name>": {"manifest": …, "etag": …}}}}`,
    /// as OPA has it.
    pub(super) fn entry(&self) -> Value {
        let object = |key: &str, value: Value| Value::from(BTreeMap::from([(key.into(), value)]));
        let roots: Vec<Value> = self.roots.paths().map(Value::from).collect();
        let manifest = self.manifest.entry(roots.into());
        let entry = BTreeMap::from([
            ("manifest".into(), manifest),
            ("etag".into(), self.etag.as_str().into()),
        ]);
        let [system, bundles] = RESERVED;
        object(system, object(bundles, object(&self.name, entry.into())))
    }
}

/// A Rego module of a bundle.
#[derive(Clone, Debug)]
pub(super) struct BundleModule {
    /// `bundle.tar.gz/path/in/bundle.rego`.
    pub(super) name: String,
    pub(super) text: String,
    /// Whether the manifest says which version it is; `None` leaves it to the options.
    pub(super) v0: Option<bool>,
}

/// Reads the archive of the bundle `name`; every problem in it is reported.
pub fn read(name: &str, archive: &[u8], reading: Reading<'_>) -> Result<Contents, LoadError> {
    contents::read(name, archive, reading).map_err(LoadError)
}

/// Every file of an archive, in its order, with its path below the bundle's root and without being
/// verified: for tools, which hold all of it in memory.
pub fn files(
    name: &str,
    archive: &[u8],
    limits: &Limits,
) -> Result<Vec<(String, Vec<u8>)>, LoadError> {
    let mut files = Vec::new();
    let read = archive::each_file(name, archive, limits, &mut |path, body| {
        let bytes = body
            .bytes()
            .map_err(|error| archive::unreadable(name, &error))?;
        files.push((path.to_owned(), bytes));
        Ok(())
    });
    read.map_err(|problem| LoadError(vec![problem]))?;
    Ok(files)
}

#[cfg(test)]
mod tests;
