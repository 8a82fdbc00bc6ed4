//! Files that are read while the configuration is: bounded, and never cut short.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use super::{document, problem::Complaint, value::shown};

/// A text file that must be UTF-8 and not larger than a configuration may be.
pub(super) fn text(path: &Path) -> io::Result<String> {
    let bytes = bytes(path, document::MAX_BYTES)?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("not UTF-8 from byte {place} on"),
        )
    })
}

/// A file of at most `limit` bytes.
pub(super) fn bytes(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let past_limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path)?.take(past_limit).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("more than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// What is said of a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    let path = path.display().to_string();
    Complaint::new(format!("cannot read `{}`: {error}", shown(&path)))
}
