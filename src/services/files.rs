//! Small files of the configuration: certificates, keys, tokens.

use std::{fs::File, io::Read as _, path::Path};

use super::error::ServiceError;

/// Reads a regular file of at most `most` bytes. Blocks.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, ServiceError> {
    let unreadable = |source| ServiceError::File {
        path: path.to_owned(),
        source,
    };
    // Asked before it is opened: to open a pipe is to wait for somebody who writes.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(ServiceError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= most) {
        return Ok(bytes);
    }
    Err(ServiceError::FileTooLarge {
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
        assert!(matches!(error, ServiceError::FileTooLarge { most: 3, .. }));
        for path in [folder.path(), Path::new("/dev/zero")] {
            assert!(matches!(read(path, 4), Err(ServiceError::NotAFile(_))));
        }
        let absent = folder.path().join("absent");
        assert!(matches!(read(&absent, 4), Err(ServiceError::File { .. })));
    }
}
