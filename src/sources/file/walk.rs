//! Goes through folders in a fixed order, inside limits, and remembers what it looked at.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use globset::GlobSet;

use super::SourceError;
use crate::policy::PolicyFile;

/// One pass over all roots.
#[derive(Debug)]
pub(super) struct Walk<'i> {
    ignore: &'i GlobSet,
    folders: Vec<PathBuf>,
    /// `..data` links met, with what they pointed to at that time.
    generations: Vec<(PathBuf, PathBuf)>,
    bytes: u64,
    entries: u64,
}

/// A file below a folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// The folders between the root and the file.
    pub(super) folders: Vec<String>,
}

impl<'i> Walk<'i> {
    pub(super) fn new(ignore: &'i GlobSet) -> Self {
        Self {
            ignore,
            folders: Vec::new(),
            generations: Vec::new(),
            bytes: 0,
            entries: 0,
        }
    }

    /// Reads a file, or everything of a known kind below a folder.
    pub(super) fn plain(
        &mut self,
        path: &Path,
        prefix: &[String],
        files: &mut Vec<PolicyFile>,
    ) -> Result<(), SourceError> {
        if !is_folder(path)? {
            if !is_known(&name_of(path)) {
                return Err(SourceError::UnknownKind(path.to_owned()));
            }
            self.note_generation(path.parent());
            files.push(self.policy_file(path, prefix.to_vec())?);
            return Ok(());
        }
        for found in self.below(path, is_visible_and_known)? {
            let data_path = prefix.iter().cloned().chain(found.folders).collect();
            files.push(self.policy_file(&found.path, data_path)?);
        }
        Ok(())
    }

    /// Every file below `root` that `wanted` takes, in the order of the names.
    pub(super) fn below(
        &mut self,
        root: &Path,
        wanted: fn(&str) -> bool,
    ) -> Result<Vec<Found>, SourceError> {
        let mut found = Vec::new();
        self.folder(root, &mut Vec::new(), wanted, &mut found)?;
        Ok(found)
    }

    fn folder(
        &mut self,
        folder: &Path,
        below: &mut Vec<String>,
        wanted: fn(&str) -> bool,
        found: &mut Vec<Found>,
    ) -> Result<(), SourceError> {
        if below.len() > MAX_DEPTH {
            return Err(SourceError::TooDeep(folder.to_owned()));
        }
        self.folders.push(folder.to_owned());
        self.note_generation(Some(folder));
        for path in self.entries_of(folder)? {
            let name = name_of(&path);
            let is_wanted = wanted(&name);
            if self.ignore.is_match(&*name) || name.starts_with('.') && !is_wanted {
                continue;
            }
            match is_folder(&path) {
                Ok(true) => {
                    below.push(name);
                    self.folder(&path, below, wanted, found)?;
                    below.pop();
                }
                Ok(false) if is_wanted => found.push(Found {
                    path,
                    folders: below.clone(),
                }),
                // A link that leads nowhere matters only under a name that would be read.
                Ok(false) => {}
                Err(_) if !is_wanted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn entries_of(&mut self, folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
            self.entries = self.entries.saturating_add(1);
            if self.entries > MAX_ENTRIES {
                return Err(SourceError::TooMuch {
                    path: folder.to_owned(),
                    limit: MAX_ENTRIES,
                    unit: "entries",
                });
            }
            paths.push(entry.map_err(unreadable(folder))?.path());
        }
        paths.sort_unstable();
        Ok(paths)
    }

    pub(super) fn policy_file(
        &mut self,
        path: &Path,
        data_path: Vec<String>,
    ) -> Result<PolicyFile, SourceError> {
        Ok(PolicyFile {
            name: path.display().to_string(),
            data_path,
            bytes: self.bytes_of(path)?,
        })
    }

    /// The content of a regular file, counted against the limit of all files.
    pub(super) fn bytes_of(&mut self, path: &Path) -> Result<Vec<u8>, SourceError> {
        // Opening a FIFO would wait for its writer.
        if !fs::metadata(path).map_err(unreadable(path))?.is_file() {
            return Err(SourceError::UnknownKind(path.to_owned()));
        }
        let left = MAX_BYTES.saturating_sub(self.bytes);
        let mut bytes = Vec::new();
        let read = File::open(path)
            .and_then(|file| file.take(left.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(unreadable(path))?;
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        if read > left {
            return Err(SourceError::TooMuch {
                path: path.to_owned(),
                limit: MAX_BYTES,
                unit: "bytes",
            });
        }
        self.bytes = self.bytes.saturating_add(read);
        Ok(bytes)
    }

    fn note_generation(&mut self, folder: Option<&Path>) {
        let Some(folder) = folder else { return };
        let link = folder.join(GENERATION_LINK);
        if let Ok(target) = fs::read_link(&link) {
            self.generations.push((link, target));
        }
    }

    /// A `..data` link that points elsewhere now than when it was met.
    pub(super) fn moved_generation(&self) -> Option<PathBuf> {
        self.generations
            .iter()
            .find(|(link, target)| fs::read_link(link).ok().as_ref() != Some(target))
            .map(|(link, _)| link.clone())
    }

    pub(super) fn into_folders(self) -> Vec<PathBuf> {
        self.folders
    }
}

/// Whether `path`, links followed, is a folder; it must exist.
pub(super) fn is_folder(path: &Path) -> Result<bool, SourceError> {
    let metadata = fs::metadata(path).map_err(unreadable(path))?;
    Ok(metadata.is_dir())
}

/// The last part of a path; a name that is not UTF-8 is never a known one.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default()
        .into_owned()
}

/// Whether a file of this name is read when it is named itself.
fn is_known(name: &str) -> bool {
    extension(name).is_some_and(|extension| EXTENSIONS.contains(&extension)) || is_archive(name)
}

/// What follows the last dot.
pub(super) fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// Whether a file of this name is read when it is met in a folder.
fn is_visible_and_known(name: &str) -> bool {
    !name.starts_with('.') && is_known(name)
}

/// Whether this is the name of a bundle archive.
pub(super) fn is_archive(name: &str) -> bool {
    ARCHIVES.iter().any(|extension| name.ends_with(extension))
}

pub(super) fn unreadable(path: &Path) -> impl Fn(io::Error) -> SourceError {
    let path = path.to_owned();
    move |source| SourceError::Unreadable {
        path: path.clone(),
        source,
    }
}

/// The link Kubernetes swaps to exchange all files of a mounted ConfigMap or Secret at once.
const GENERATION_LINK: &str = "..data";
const EXTENSIONS: [&str; 4] = ["rego", "json", "yaml", "yml"];
const ARCHIVES: [&str; 2] = [".tar.gz", ".tgz"];
/// Most folders below a root; ends links that lead back as well.
pub(super) const MAX_DEPTH: usize = 32;
/// Most bytes of all files together.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Most folder entries looked at.
const MAX_ENTRIES: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_that_of_all_files_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "{}").unwrap();
        let ignore = GlobSet::empty();
        let mut walk = Walk::new(&ignore);
        walk.bytes = MAX_BYTES - 3;
        assert!(walk.bytes_of(&path).is_ok());
        let error = walk.bytes_of(&path).unwrap_err();
        assert!(matches!(
            error,
            SourceError::TooMuch {
                limit: MAX_BYTES,
                ..
            }
        ));
    }

    #[test]
    fn a_folder_with_too_many_entries_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.json"), "{}").unwrap();
        let ignore = GlobSet::empty();
        let mut walk = Walk::new(&ignore);
        walk.entries = MAX_ENTRIES;
        let error = walk.below(folder.path(), is_known).unwrap_err();
        assert!(matches!(
            error,
            SourceError::TooMuch {
                limit: MAX_ENTRIES,
                ..
            }
        ));
    }

    #[test]
    fn a_swap_in_the_middle_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(GENERATION_LINK);
        std::os::unix::fs::symlink("..2024_a", &link).unwrap();
        let ignore = GlobSet::empty();
        let mut walk = Walk::new(&ignore);
        walk.below(folder.path(), is_known).unwrap();
        assert_eq!(walk.moved_generation(), None);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("..2024_b", &link).unwrap();
        assert_eq!(walk.moved_generation(), Some(link));
    }
}
