//! Hashes of files: of their bytes, or of their canonical form when they are structured.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

use super::canonical::{self, NotCanonical};

/// A hash algorithm, spelled as OPA does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// `MD5`: broken, read for the sake of old bundles.
    Md5,
    /// `SHA-1`: broken, read for the sake of old bundles.
    Sha1,
    /// `SHA-224`.
    Sha224,
    /// `SHA-256`, the default.
    Sha256,
    /// `SHA-384`.
    Sha384,
    /// `SHA-512`.
    Sha512,
    /// `SHA-512-224`.
    Sha512_224,
    /// `SHA-512-256`.
    Sha512_256,
}

impl HashAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 8] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha512_224,
        Self::Sha512_256,
    ];

    /// The algorithm of this name; upper case and hyphens as OPA spells them.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.as_str() == name)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha512_224 => "SHA-512-224",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// The length of a hash.
    pub fn bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha512_224 => 28,
            Self::Sha256 | Self::Sha512_256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// The hash of the file at `path` below a bundle's root.
pub(super) fn of_file(
    algorithm: HashAlgorithm,
    path: &str,
    bytes: &[u8],
) -> Result<Vec<u8>, NotCanonical> {
    match algorithm {
        HashAlgorithm::Md5 => with::<Md5>(path, bytes),
        HashAlgorithm::Sha1 => with::<Sha1>(path, bytes),
        HashAlgorithm::Sha224 => with::<Sha224>(path, bytes),
        HashAlgorithm::Sha256 => with::<Sha256>(path, bytes),
        HashAlgorithm::Sha384 => with::<Sha384>(path, bytes),
        HashAlgorithm::Sha512 => with::<Sha512>(path, bytes),
        HashAlgorithm::Sha512_224 => with::<Sha512_224>(path, bytes),
        HashAlgorithm::Sha512_256 => with::<Sha512_256>(path, bytes),
    }
}

fn with<D: Digest>(path: &str, bytes: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    let mut hasher = D::new();
    match canonical::Form::of(path) {
        None => hasher.update(bytes),
        Some(form) => canonical::write(form, bytes, &mut |part| hasher.update(part))?,
    }
    Ok(hasher.finalize().to_vec())
}
