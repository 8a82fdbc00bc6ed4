//! What can go wrong between us and a registry.

use oci_spec::distribution::ParseError;

use super::super::DownloadError;
use crate::services::ServiceError;

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
    /// Nothing could be asked, or nobody answered.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Credentials that say nothing to a registry.
    #[error("`credentials.s3_signing` cannot be used with a registry")]
    Signing,
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
    /// A token with characters that no header holds.
    #[error("`{0}` gave a token with characters that may not be sent")]
    Token(String),
    /// Another status than the one that is wanted.
    #[error("`{place}` answered {status}")]
    Status {
        /// The address, without secrets.
        place: String,
        /// The HTTP status.
        status: u16,
    },
    /// A blob that is elsewhere, and elsewhere, and elsewhere.
    #[error("`{0}` redirects once too often")]
    Redirects(String),
    /// An upload that is sent for to nowhere, or without encryption.
    #[error("`{0}` names no address for the upload, or one that is not encrypted")]
    Upload(String),
    /// A layer that is too long by what its manifest says.
    #[error("`{place}` is longer than {most} bytes")]
    TooLarge {
        /// The address, without secrets.
        place: String,
        /// How many there may be.
        most: u64,
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
    #[error("`{place}` has not the {expected} bytes that the manifest says")]
    Size {
        /// The address, without secrets.
        place: String,
        /// What the manifest says.
        expected: u64,
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
        let place = from.to_owned();
        match self {
            Self::Status { place, status } => DownloadError::Status { place, status },
            Self::TooLarge { place, most }
            | Self::Service(ServiceError::TooLarge { place, most }) => {
                DownloadError::TooLarge { place, most }
            }
            Self::Service(error) if !error.is_preparation() => DownloadError::Transport {
                place,
                source: error.into(),
            },
            Self::Reference { .. } | Self::NotARegistry(_) | Self::Service(_) | Self::Signing => {
                DownloadError::Prepare {
                    place,
                    source: self.into(),
                }
            }
            Self::Realm(_)
            | Self::NoToken { .. }
            | Self::Token(_)
            | Self::Redirects(_)
            | Self::Upload(_)
            | Self::Digest { .. }
            | Self::Size { .. }
            | Self::Manifest { .. }
            | Self::Unfit { .. } => DownloadError::Unfit {
                place,
                source: self.into(),
            },
        }
    }
}
