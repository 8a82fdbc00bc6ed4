//! Bundles in files: an archive, or a folder laid out like one. What names a version is the digest of
//! its content.

use std::{
    collections::BTreeSet,
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;

use super::{Archive, Ask, Download, DownloadError};
use crate::{
    digest,
    sources::{
        file::Files,
        watch::{RESCAN, Watching},
    },
};

/// Reads one bundle, and watches it.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    place: String,
    most: u64,
    /// The folders that were met below [`Self::path`].
    folders: BTreeSet<PathBuf>,
    watching: Option<Watching>,
}

/// What was read, and where.
struct Read {
    archive: Vec<u8>,
    digest: String,
    folders: BTreeSet<PathBuf>,
}

impl File {
    pub(super) fn new(path: &Path, most: u64) -> Self {
        Self {
            path: path.to_owned(),
            place: path.display().to_string(),
            most,
            folders: BTreeSet::new(),
            watching: None,
        }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) async fn download(&mut self, ask: Ask<'_>) -> Result<Download, DownloadError> {
        let mut read = self.read().await?;
        if read.folders != self.folders {
            // What changed before these were watched would be missed.
            self.folders = read.folders;
            read = self.read().await?;
        }
        if ask.validator == Some(&read.digest) {
            return Ok(Download::Unchanged { long_poll: false });
        }
        Ok(Download::Archive(Archive {
            bytes: read.archive.into(),
            validator: Some(read.digest),
            long_poll: false,
        }))
    }

    /// Waits until there may be something else to read.
    pub(super) async fn changed(&mut self) {
        let path = self.path.as_path();
        let watch = || Watching::of([path].into_iter(), &self.folders);
        self.watching
            .get_or_insert_with(watch)
            .changed(RESCAN)
            .await;
    }

    async fn read(&mut self) -> Result<Read, DownloadError> {
        // Watched before it is read: a change after this line is either read or wakes.
        self.watching = Some(Watching::of(
            [self.path.as_path()].into_iter(),
            &self.folders,
        ));
        let (path, most) = (self.path.clone(), self.most);
        let read = spawn_blocking(move || read(&path, most)).await;
        read.map_err(|panicked| unreadable(&self.path, io::Error::other(panicked)))?
    }
}

fn read(path: &Path, most: u64) -> Result<Read, DownloadError> {
    let unreadable = |error| unreadable(path, error);
    let (archive, folders) = if fs::metadata(path).map_err(unreadable)?.is_dir() {
        // With everything that a signature may speak for.
        let mut files = Files::default().whole();
        files.add_bundle(path);
        let reading = files
            .read()
            .map_err(|error| unreadable(io::Error::other(error)))?;
        let archives = reading.files.into_iter().map(|file| file.bytes);
        (
            archives.flatten().collect(),
            reading.folders.into_iter().collect(),
        )
    } else {
        (whole(path, most)?, BTreeSet::new())
    };
    Ok(Read {
        digest: digest::hex(&digest::of_parts([archive.as_slice()])),
        archive,
        folders,
    })
}

/// The content of a regular file of at most `most` bytes.
fn whole(path: &Path, most: u64) -> Result<Vec<u8>, DownloadError> {
    let unreadable = |error| unreadable(path, error);
    // Opening a FIFO would wait for its writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other(
            "neither a regular file nor a folder",
        )));
    }
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    if u64::try_from(read.map_err(unreadable)?).unwrap_or(u64::MAX) > most {
        return Err(DownloadError::TooLarge {
            place: path.display().to_string(),
            most,
        });
    }
    Ok(bytes)
}

fn unreadable(path: &Path, source: io::Error) -> DownloadError {
    DownloadError::File {
        path: path.to_owned(),
        source,
    }
}
