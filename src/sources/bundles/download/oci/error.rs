//! What can go wrong between us and a registry.

use oci_spec::distribution::ParseError;
use tokio::task::JoinError;

use super::super::{DownloadError, connect::ConnectError};

/// Why nothing was pulled from, or pushed to, a registry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    /// Not the full name of something in a registry.
    #[error("`{reference}` is not `host/repository:tag` or `host/repository@sha256:digest`")]
    Reference {
        /// What was given.
        reference: String,
        /// What is wrong with it, where more can be said.
        #[source]
        source: Option<ParseError>,
    },
    /// A registry is spoken to over HTTP.
    #[error("`{0}` is not the http or https address of a registry")]
    NotARegistry(String),
    /// The client cannot be made ready.
    #[error("the client of the registry cannot be made ready")]
    Connect(#[from] ConnectError),
    /// The program ends.
    #[error("the client of the registry was not made")]
    Stopped(#[source] JoinError),
    /// Credentials that say nothing to a registry.
    #[error("`credentials.{0}` cannot be used with a registry")]
    Credentials(&'static str),
    /// A token with characters that no header holds.
    #[error("the token for the registry holds characters that may not be sent")]
    Token,
    /// The address that is to hand out tokens must be as safe as the registry's.
    #[error("the registry sends for a token to `{0}`, which is not an https address")]
    Realm(String),
    /// The service that hands out tokens answered with something else.
    #[error("`{place}` gave no token")]
    NoToken {
        /// The service.
        place: String,
        /// What it gave instead.
        #[source]
        source: serde_json::Error,
    },
    /// Another status than the one that is wanted.
    #[error("`{place}` answered {status}")]
    Status {
        /// The address, without secrets.
        place: String,
        /// The HTTP status.
        status: u16,
    },
    /// No connection, or an answer cut off.
    #[error("no whole answer from `{place}`")]
    Transport {
        /// The address, without secrets.
        place: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing came for too long.
    #[error("nothing from `{place}` for {seconds} s")]
    Timeout {
        /// The address, without secrets.
        place: String,
        /// How long that was.
        seconds: u64,
    },
    /// More bytes than may be.
    #[error("`{place}` is longer than {most} bytes")]
    TooLarge {
        /// The address, without secrets.
        place: String,
        /// How many there may be.
        most: u64,
    },
    /// A blob is sent for to somewhere else, and on, and on, or without encryption.
    #[error("`{place}` redirects {rule}")]
    Redirect {
        /// The address, without secrets.
        place: String,
        /// The rule that is broken.
        rule: &'static str,
    },
    /// Other bytes than were named.
    #[error("`{place}` has the digest `{actual}` where `{expected}` is wanted")]
    Digest {
        /// The address, without secrets.
        place: String,
        /// What was named.
        expected: String,
        /// What there is.
        actual: String,
    },
    /// Not the number of bytes that the manifest says.
    #[error("`{place}` has {actual} bytes where the manifest says {expected}")]
    Size {
        /// The address, without secrets.
        place: String,
        /// What the manifest says.
        expected: u64,
        /// What there is.
        actual: u64,
    },
    /// Not a manifest.
    #[error("`{place}` is not a readable manifest")]
    Manifest {
        /// The address, without secrets.
        place: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A manifest that breaks a rule.
    #[error("the manifest `{place}` {rule}")]
    Unfit {
        /// The address, without secrets.
        place: String,
        /// The rule.
        rule: String,
    },
}

impl RegistryError {
    /// The same as the error of a download from `from`.
    pub(in super::super) fn of_download(self, from: &str) -> DownloadError {
        match self {
            Self::Status { place, status } => DownloadError::Status { place, status },
            Self::TooLarge { place, most } => DownloadError::TooLarge { place, most },
            Self::Transport { .. } | Self::Timeout { .. } => DownloadError::Transport {
                place: from.to_owned(),
                source: Box::new(self),
            },
            Self::Reference { .. }
            | Self::NotARegistry(_)
            | Self::Connect(_)
            | Self::Stopped(_)
            | Self::Credentials(_)
            | Self::Token => DownloadError::Prepare {
                place: from.to_owned(),
                source: Box::new(self),
            },
            Self::Realm(_)
            | Self::NoToken { .. }
            | Self::Redirect { .. }
            | Self::Digest { .. }
            | Self::Size { .. }
            | Self::Manifest { .. }
            | Self::Unfit { .. } => DownloadError::Unfit {
                place: from.to_owned(),
                source: Box::new(self),
            },
        }
    }
}
