//! The order of revisions, so that a gate can refuse to go back to an older one.

/// How the revisions of a bundle are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionOrder {
    /// Semantic versions (`semver.org`), with or without a leading `v`.
    Semver,
    /// Whole numbers, such as a build's.
    Number,
    /// RFC 3339 times.
    Time,
    /// Byte by byte, as `LC_ALL=C sort` has it.
    Text,
}
