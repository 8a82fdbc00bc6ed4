//! Files that outlive the process: replaced as a whole, under names that lead nowhere else.

use std::{
    fs::{DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a file name: no dot, so no name leads elsewhere.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// `name` as the name of a file or folder.
pub(super) fn name(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}

/// Makes `bytes` the content of `path`, in one step: whoever reads sees the old content or the new one,
/// also after a crash. Folders are made, for their owner alone. Blocks.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // Readable by its owner only, as temporary files are.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The name is on disk when its folder is.
    File::open(folder)?.sync_all()
}
