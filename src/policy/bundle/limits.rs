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
    /// All Rego modules together.
    pub module_bytes: u64,
    /// What the data files may take in memory, as it is estimated: 48 bytes a value, 96 an array or
    /// object, and the strings.
    pub data_bytes: u64,
}

/// 256 MiB of archive, 1 GiB unpacked, 512 MiB a file, 10,000 entries, 32 MiB of modules, 4 GiB of
/// data in memory.
impl Default for Limits {
    fn default() -> Self {
        Self {
            archive_bytes: 256 << 20,
            unpacked_bytes: 1 << 30,
            file_bytes: 512 << 20,
            entries: 10_000,
            module_bytes: 32 << 20,
            data_bytes: 4 << 30,
        }
    }
}
