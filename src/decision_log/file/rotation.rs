//! The files of one log: appended to, rotated by size, found again after somebody moved them.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use memchr::{memchr, memrchr};

use super::Options;

/// The files; the newest is open when the last write went well.
#[derive(Debug)]
pub(super) struct Files {
    options: Options,
    open: Option<File>,
}

impl Files {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            open: None,
        }
    }

    /// Appends lines from the start of `lines`, as many as the file has room for, after a rotation if it
    /// has room for none; how many bytes that were. Whole lines, or none when it fails. Blocks.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<usize> {
        let file = match self.open.take() {
            Some(file) if self.is_current(&file)? => file,
            Some(_) | None => self.open_file()?,
        };
        // Asked anew each time: somebody may have cut it off.
        let mut size = file.metadata()?.len();
        let (file, some) = match fitting(lines, self.options.max_bytes.saturating_sub(size)) {
            [] if size > 0 => {
                drop(file);
                self.rotate()?;
                size = 0;
                let file = self.open_file()?;
                (file, fitting(lines, self.options.max_bytes))
            }
            some => (file, some),
        };
        let some = if some.is_empty() { first(lines) } else { some };
        if let Err(error) = (&file).write_all(some) {
            // Half a line is no line; what cannot be cut off is ended with the next file's opening.
            return Err(file.set_len(size).err().unwrap_or(error));
        }
        self.open = Some(file);
        Ok(some.len())
    }

    /// Whether `file` is what the path leads to.
    fn is_current(&self, file: &File) -> io::Result<bool> {
        let open = file.metadata()?;
        match fs::metadata(&self.options.path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens the file, which is for its owner alone, after whole lines.
    fn open_file(&self) -> io::Result<File> {
        let path = &self.options.path;
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                let rule = format!("`{}` is no regular file", path.display());
                return Err(io::Error::new(ErrorKind::InvalidInput, rule));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {}
        }
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if ends_within_a_line(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(file)
    }

    /// Moves each file one number up; the oldest is gone then.
    fn rotate(&self) -> io::Result<()> {
        let kept = self.options.max_files.saturating_sub(1);
        // What a larger number has left behind goes too.
        for number in kept.. {
            match fs::remove_file(self.numbered(number)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if number > kept {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        for number in (0..kept).rev() {
            let next = self.numbered(number.saturating_add(1));
            match fs::rename(self.numbered(number), next) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// The file with this number; the one that is written has none.
    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.options.path);
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.into()
    }
}

/// Whether the last line of `file` is not whole, as after a crash.
fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The lines from the start of `lines` that are no longer than `room` together.
fn fitting(lines: &[u8], room: u64) -> &[u8] {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let some = lines.get(..room).unwrap_or(lines);
    let end = memrchr(b'\n', some);
    end.and_then(|end| lines.get(..=end)).unwrap_or_default()
}

/// The first line.
fn first(lines: &[u8]) -> &[u8] {
    let end = memchr(b'\n', lines);
    end.and_then(|end| lines.get(..=end)).unwrap_or(lines)
}

#[cfg(test)]
mod tests;
