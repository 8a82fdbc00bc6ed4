//! How large a bundle may be: a few kilobytes of archive can unpack to any size.

/// Bounds on one bundle, each in bytes unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The archive as it is downloaded.
    pub archive_bytes: u64,
    /// All of it unpacked, tar headers included.
    pub unpacked_bytes: u64,
    /// One file unpacked (`size_limit_bytes` of OPA).
    pub file_bytes: u64,
    /// How many entries the archive may have.
    pub entries: usize,
}

/// 256 MiB of archive, 1 GiB unpacked, 512 MiB a file, 10,000 entries.
impl Default for Limits {
    fn default() -> Self {
        Self {
            archive_bytes: 256 << 20,
            unpacked_bytes: 1 << 30,
            file_bytes: 512 << 20,
            entries: 10_000,
        }
    }
}
