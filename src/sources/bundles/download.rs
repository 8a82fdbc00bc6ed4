//! One request for a bundle, whatever it comes from.

mod file;
mod http;
mod object;
pub(crate) mod oci;

use std::{io, path::PathBuf, time::Duration};

use bytes::Bytes;

use super::{Kind, Source};

/// Asks the source of one bundle.
#[derive(Debug)]
pub struct Downloader(From);

#[derive(Debug)]
enum From {
    Http(Box<http::Http>),
    File(file::File),
    Oci(oci::Oci),
    Object(object::Object),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The [`Archive::validator`] of the bundle there is: only another one is wanted.
    pub validator: Option<&'a str>,
    /// Whether a delta to that bundle will do (`Prefer: modes=snapshot,delta`).
    pub delta: bool,
    /// How long the server may hold the request (`Prefer: wait=N`).
    pub wait: Option<Duration>,
}

/// What a source answers.
#[derive(Clone, Debug)]
pub enum Download {
    /// What [`Ask::validator`] names is still the one.
    Unchanged {
        /// Whether the server holds requests as it was asked to.
        long_poll: bool,
    },
    /// An archive, which nobody has looked into yet.
    Archive(Archive),
}

/// The bytes of a bundle archive.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The gzip-compressed tar archive.
    pub bytes: Bytes,
    /// What names this version at its source: an entity tag, a digest.
    pub validator: Option<String>,
    /// Whether the server holds requests as it was asked to.
    pub long_poll: bool,
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server answered with another status than 200 and 304.
    #[error("`{place}` answered {status}")]
    Status {
        /// The address, without secrets.
        place: String,
        /// The HTTP status.
        status: u16,
    },
    /// The archive is longer than may be.
    #[error("the archive at `{place}` is longer than {most} bytes")]
    TooLarge {
        /// The address, without secrets.
        place: String,
        /// `size_limit_bytes`, or the limit on archives.
        most: u64,
    },
    /// No connection, no answer in time, or an answer cut off.
    #[error("no whole answer from `{place}`")]
    Transport {
        /// The address, without secrets.
        place: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The client or its credentials cannot be made ready.
    #[error("cannot prepare the request to `{place}`")]
    Prepare {
        /// The address, without secrets.
        place: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was answered is not what was asked for, or breaks a rule.
    #[error("what `{place}` serves is refused")]
    Unfit {
        /// The address, without secrets.
        place: String,
        /// The rule.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl DownloadError {
    /// The HTTP status, for OPA's status report (`http_code`).
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::TooLarge { .. }
            | Self::Transport { .. }
            | Self::File { .. }
            | Self::Prepare { .. }
            | Self::Unfit { .. } => None,
        }
    }
}

impl Downloader {
    /// A downloader for `source`.
    pub fn new(source: &Source) -> Self {
        let most = source.limits.archive_bytes;
        Self(match &source.kind {
            Kind::Http { service, resource } => {
                From::Http(Box::new(http::Http::new(service.clone(), resource, most)))
            }
            Kind::File(path) => From::File(file::File::new(path, most)),
            Kind::Oci { service, reference } => {
                From::Oci(oci::Oci::new(service.clone(), reference, most))
            }
            Kind::Object { service, resource } => {
                From::Object(object::Object::new(service.clone(), resource, most))
            }
        })
    }

    /// Asks once. May be dropped at any await.
    pub async fn download(&mut self, ask: Ask<'_>) -> Result<Download, DownloadError> {
        match &mut self.0 {
            From::Http(http) => http.download(ask).await,
            From::File(file) => file.download(ask).await,
            From::Oci(oci) => oci.download(ask).await,
            From::Object(object) => object.download(ask).await,
        }
    }

    /// Waits until it is known that asking again makes sense; for a source that only tells when it is
    /// asked that is never.
    pub async fn changed(&mut self) {
        match &mut self.0 {
            From::File(file) => file.changed().await,
            From::Http(_) | From::Oci(_) | From::Object(_) => std::future::pending().await,
        }
    }

    /// Where it asks, as people may see it.
    pub fn place(&self) -> &str {
        match &self.0 {
            From::Http(http) => http.place(),
            From::File(file) => file.place(),
            From::Oci(oci) => oci.place(),
            From::Object(object) => object.place(),
        }
    }
}
