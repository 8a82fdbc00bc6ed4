//! Files that outlive the process: replaced as a whole, under names that lead nowhere else.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::DirBuilderExt as _},
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a file name: no dot, so no name leads elsewhere.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// `name` as the name of a file or folder.
pub(super) fn name(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}

/// `name` as a path, its slashes making folders as OPA has it; one that could lead elsewhere is one
/// folder.
pub(super) fn path(name: &str) -> PathBuf {
    let mut parts = name.split('/');
    let leads_down = parts.all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'));
    if leads_down {
        name.into()
    } else {
        self::name(name).into()
    }
}

/// Makes `bytes` the content of `path`, in one step: whoever reads sees the old content or the new one,
/// also after a crash. What a crash has left half written is removed. Folders are made, for their owner
/// alone. Blocks.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let start = start_of_temporary(path)?;
    remove_left_over(folder, &start)?;
    // Readable by its owner only, as temporary files are.
    let mut file = tempfile::Builder::new()
        .prefix(&start)
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The name is on disk when its folder is.
    File::open(folder)?.sync_all()
}

/// How the names of the files begin that become `path`; no other file's begin so.
fn start_of_temporary(path: &Path) -> io::Result<OsString> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut start = OsString::from(".");
    start.push(name);
    start.push(".new-");
    Ok(start)
}

/// Removes what begins with `start` in `folder`: whoever wrote it is no more, or was given up.
fn remove_left_over(folder: &Path, start: &OsStr) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(start.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
