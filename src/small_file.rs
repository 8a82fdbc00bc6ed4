//! Small files of the configuration: certificates, keys, tokens.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SmallFileError {
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("`{}` is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// It is longer than anything of its kind.
    #[error("`{}` is longer than {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes it may have.
        most: u64,
    },
}

/// Reads a regular file of at most `most` bytes. Blocks.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, SmallFileError> {
    let unreadable = |source| SmallFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // Asked before it is opened: to open a pipe is to wait for somebody who writes.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(SmallFileError::NotRegular(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= most) {
        return Ok(bytes);
    }
    Err(SmallFileError::TooLarge {
        path: path.to_owned(),
        most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"1234");
        let error = read(&path, 3).unwrap_err();
        assert!(matches!(error, SmallFileError::TooLarge { most: 3, .. }));
        for path in [folder.path(), Path::new("/dev/zero")] {
            let error = read(path, 4).unwrap_err();
            assert!(matches!(error, SmallFileError::NotRegular(_)));
        }
        let absent = folder.path().join("absent");
        let error = read(&absent, 4).unwrap_err();
        assert!(matches!(error, SmallFileError::Unreadable { .. }));
    }
}
