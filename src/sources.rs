//! Where policies come from: read aside of the line, compiled, and published as the active one.

pub mod bundles;
pub mod embedded;
pub mod file;
pub mod jwks;
pub mod loader;
pub mod publish;
pub mod watch;

mod disk;

use crate::policy::PolicyFile;

/// Reads what is given; the embedded default when nothing is. Blocks.
pub fn read(files: &file::Files) -> Result<Vec<PolicyFile>, file::SourceError> {
    if files.is_empty() {
        return Ok(embedded::quickstart());
    }
    Ok(files.read()?.files)
}
