//! Chunks on disk: what a service does not take and memory cannot hold.
//!
//! Promises that a chunk is on disk as a whole or not at all, that chunks come back in their order, that
//! all files together stay within their bound, and that what is no chunk of ours is named and left where
//! it is. One process at a time uses a folder. Blocks: for a thread of its own.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    mem,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{
    chunk::{Chunk, Place},
    service::SpillOptions,
};

/// Why the folder is of no use now.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpillError {
    /// Another process has it.
    #[error("`{}` is used by another process", .0.display())]
    Taken(PathBuf),
    /// The folder, or a file in it.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file that is not what its name says.
    #[error("`{}` is set aside: no whole chunk can be read from it", path.display())]
    Torn {
        /// Where it is now.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// A file that nobody here made.
    #[error("`{}` is no chunk, and is left alone", .0.display())]
    Foreign(PathBuf),
    /// A chunk that is larger than everything may be, apart from what cannot be taken away.
    #[error("a chunk of {bytes} bytes does not fit into `{}` beside {dead} bytes of no use", directory.display())]
    TooLarge {
        /// The folder.
        directory: PathBuf,
        /// Of the chunk.
        bytes: u64,
        /// Of files that are set aside, or could not be taken away.
        dead: u64,
    },
}

/// The folder, for as long as this lives.
#[derive(Debug)]
pub(super) struct Spill {
    directory: PathBuf,
    max_bytes: u64,
    stored: BTreeMap<Place, Stored>,
    bytes: u64,
    /// Bytes of files that stay there and are sent by nobody.
    dead: u64,
    records: u64,
    troubles: Vec<SpillError>,
    _lock: File,
}

/// What became of a chunk that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Records of older chunks that had to go for it.
    pub(super) lost: u64,
    /// Whether it is on disk.
    pub(super) stored: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    records: u64,
    bytes: u64,
}

impl Spill {
    /// Takes the folder, which is made if it is not there.
    pub(super) fn open(options: &SpillOptions) -> Result<Self, SpillError> {
        let directory = options.directory.clone();
        let failed = |source| SpillError::Io {
            path: directory.clone(),
            source,
        };
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&directory);
        made.map_err(failed)?;
        let lock = lock(&directory)?;
        let mut spill = Self {
            directory: directory.clone(),
            max_bytes: options.max_bytes,
            stored: BTreeMap::new(),
            bytes: 0,
            dead: 0,
            records: 0,
            troubles: Vec::new(),
            _lock: lock,
        };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if !spill.find(&path).map_err(failed)? && spill.troubles.len() < MOST_TROUBLES {
                spill.troubles.push(SpillError::Foreign(path));
            }
        }
        Ok(spill)
    }

    /// Takes note of one file; false: nobody here made it.
    fn find(&mut self, path: &Path) -> io::Result<bool> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        if name == LOCK {
            return Ok(true);
        }
        if name.ends_with(ASIDE) {
            let bytes = fs::symlink_metadata(path)?.len();
            self.dead = self.dead.saturating_add(bytes);
            return Ok(true);
        }
        if name.starts_with(NEW) {
            // Whoever wrote it is no more: the folder is ours.
            fs::remove_file(path)?;
            return Ok(true);
        }
        let metadata = fs::symlink_metadata(path)?;
        let Some((place, records)) = parse(name).filter(|_| metadata.is_file()) else {
            return Ok(false);
        };
        // Two for one place: this is not how it was left.
        if self.has(&place) {
            return Ok(false);
        }
        let bytes = metadata.len();
        self.note(place, Stored { records, bytes });
        Ok(true)
    }

    fn note(&mut self, place: Place, stored: Stored) {
        self.bytes = self.bytes.saturating_add(stored.bytes);
        self.records = self.records.saturating_add(stored.records);
        self.stored.insert(place, stored);
    }

    /// Bytes of the chunks on disk.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records on disk.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// Whether this chunk is there.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.stored.contains_key(place)
    }

    /// The oldest chunk there is.
    pub(super) fn first(&self) -> Option<&Place> {
        self.stored.keys().next()
    }

    /// A number that no chunk there has, nor any before it.
    pub(super) fn next_number(&self) -> u64 {
        let last = self.stored.keys().next_back();
        last.map_or(0, |last| last.number.saturating_add(1))
    }

    /// What went wrong since this was last asked.
    pub(super) fn troubles(&mut self) -> Vec<SpillError> {
        mem::take(&mut self.troubles)
    }

    /// Puts a chunk there, in one step; older ones go for it, but not the one at `kept`.
    pub(super) fn store(&mut self, chunk: &Chunk, kept: Option<&Place>) -> Kept {
        let bytes = u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
        let mut outcome = Kept {
            lost: 0,
            stored: false,
        };
        // Nothing goes for what has no room anyway.
        if self.dead.saturating_add(bytes) <= self.max_bytes {
            outcome.lost = self.make_room(bytes, kept);
        }
        if !self.fits(bytes) {
            self.troubles.push(SpillError::TooLarge {
                directory: self.directory.clone(),
                bytes,
                dead: self.dead,
            });
            return outcome;
        }
        let (records, path) = (chunk.records, self.path(&chunk.place, chunk.records));
        let written = if self.has(&chunk.place) {
            Err(io::ErrorKind::AlreadyExists.into())
        } else {
            self.write(&path, &chunk.bytes)
        };
        match written {
            Ok(()) => {
                self.note(chunk.place.clone(), Stored { records, bytes });
                outcome.stored = true;
            }
            Err(source) => self.troubles.push(SpillError::Io { path, source }),
        }
        outcome
    }

    /// Writes a file that is not there yet.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // Readable by its owner only, as temporary files are.
        let mut file = tempfile::Builder::new()
            .prefix(NEW)
            .tempfile_in(&self.directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        // The name is on disk when its folder is.
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        if synced.is_err() {
            // It counts as lost, and does not come back.
            self.delete(path, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
        synced
    }

    fn fits(&self, bytes: u64) -> bool {
        let there = self.bytes.saturating_add(self.dead);
        there.saturating_add(bytes) <= self.max_bytes
    }

    /// Drops the oldest until so many bytes more have room; how many records they had.
    pub(super) fn make_room(&mut self, bytes: u64, kept: Option<&Place>) -> u64 {
        let mut lost: u64 = 0;
        while !self.fits(bytes) || self.stored.len() >= MOST_FILES {
            let oldest = self.stored.keys().find(|place| Some(*place) != kept);
            let Some(oldest) = oldest.cloned() else { break };
            lost = lost.saturating_add(self.remove(&oldest));
        }
        lost
    }

    /// Reads a chunk that is there. One that is not whole or cannot be read is set aside: it stands in
    /// nobody's way, and no later start takes it for one that waits. How many records it had.
    pub(super) fn read(&mut self, place: &Place) -> Result<Chunk, u64> {
        let records = self.stored.get(place).map_or(0, |stored| stored.records);
        let path = self.path(place, records);
        let whole = read(&path, self.max_bytes).and_then(|bytes| {
            let chunk = Chunk {
                place: place.clone(),
                records,
                bytes: bytes.into(),
            };
            chunk.verify().map(|()| chunk)
        });
        whole.map_err(|source| {
            self.set_aside(place, path, source);
            records
        })
    }

    fn set_aside(&mut self, place: &Place, path: PathBuf, source: io::Error) {
        let bytes = self.forget(place).map_or(0, |stored| stored.bytes);
        let mut aside = path.clone().into_os_string();
        aside.push(ASIDE);
        let aside = PathBuf::from(aside);
        let (trouble, stays) = match fs::rename(&path, &aside) {
            Ok(()) => (
                SpillError::Torn {
                    path: aside,
                    source,
                },
                true,
            ),
            Err(source) => {
                let stays = source.kind() != io::ErrorKind::NotFound;
                (SpillError::Io { path, source }, stays)
            }
        };
        if stays {
            self.dead = self.dead.saturating_add(bytes);
        }
        self.troubles.push(trouble);
    }

    /// Takes a chunk away; how many records it had.
    pub(super) fn remove(&mut self, place: &Place) -> u64 {
        let Some(stored) = self.forget(place) else {
            return 0;
        };
        let path = self.path(place, stored.records);
        self.delete(&path, stored.bytes);
        stored.records
    }

    /// Takes a file away; one that stays takes up its bytes.
    fn delete(&mut self, path: &Path, bytes: u64) {
        match fs::remove_file(path) {
            Ok(()) => {}
            // Somebody was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                self.dead = self.dead.saturating_add(bytes);
                let path = path.to_owned();
                self.troubles.push(SpillError::Io { path, source });
            }
        }
    }

    fn forget(&mut self, place: &Place) -> Option<Stored> {
        let stored = self.stored.remove(place)?;
        self.bytes = self.bytes.saturating_sub(stored.bytes);
        self.records = self.records.saturating_sub(stored.records);
        Some(stored)
    }

    fn path(&self, place: &Place, records: u64) -> PathBuf {
        self.directory.join(format!("{place}-{records}{ENDING}"))
    }
}

/// The place and the number of records that the name of a file says.
fn parse(name: &str) -> Option<(Place, u64)> {
    let (place, records) = name.strip_suffix(ENDING)?.split_once('-')?;
    let (place, count) = (Place::parse(place)?, records.parse().ok()?);
    // Only names that are written so: each chunk has one.
    (format!("{place}-{count}{ENDING}") == name).then_some((place, count))
}

fn lock(directory: &Path) -> Result<File, SpillError> {
    let path = directory.join(LOCK);
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let opened = options.open(&path).and_then(|file| match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    });
    match opened {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(SpillError::Taken(directory.to_owned())),
        Err(source) => Err(SpillError::Io { path, source }),
    }
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

const LOCK: &str = ".lock";
/// How the names of files begin that become chunks.
const NEW: &str = ".new-";
const ENDING: &str = ".json.gz";
/// How the names of files end that were no chunks.
const ASIDE: &str = ".set-aside";
/// What is remembered of each is small, and still must end.
const MOST_FILES: usize = 1_000_000;
/// Most foreign files that are named.
const MOST_TROUBLES: usize = 10;

#[cfg(test)]
mod tests;
