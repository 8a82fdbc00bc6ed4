//! Why a collector did not take something; never with a secret in it.

use std::{io, path::PathBuf};

use reqwest::StatusCode;

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A certificate or a key.
    #[error("cannot read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No client can be made of the address and the certificates.
    #[error("no connection can be made with this address and these certificates")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The collector cannot be reached, or goes away.
    #[error("the collector did not answer")]
    Http(#[source] reqwest::Error),
    /// The collector refuses, or cannot be reached.
    #[error("the collector answered `{code}`: {}", .message)]
    Grpc {
        /// The gRPC code.
        code: tonic::Code,
        /// What the status says.
        message: String,
    },
    /// The collector refuses.
    #[error("the collector answered {0}")]
    Status(StatusCode),
    /// The time of one export is up.
    #[error("the collector did not answer in time")]
    TimedOut,
    /// Part of it was not taken, for good.
    #[error("the collector rejected {0} of what it was given")]
    Partial(u64),
}

impl ExportError {
    /// Whether the same may be taken later (OTLP, "Failures").
    pub fn may_pass(&self) -> bool {
        match self {
            Self::File { .. } | Self::Client(_) | Self::Http(_) | Self::TimedOut => true,
            Self::Partial(_) => false,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Grpc { code, .. } => match code {
                tonic::Code::Cancelled
                | tonic::Code::DeadlineExceeded
                | tonic::Code::ResourceExhausted
                | tonic::Code::Aborted
                | tonic::Code::OutOfRange
                | tonic::Code::Unavailable
                | tonic::Code::DataLoss
                // What tonic says when a connection ends under a call.
                | tonic::Code::Unknown => true,
                tonic::Code::Ok
                | tonic::Code::InvalidArgument
                | tonic::Code::NotFound
                | tonic::Code::AlreadyExists
                | tonic::Code::PermissionDenied
                | tonic::Code::FailedPrecondition
                | tonic::Code::Unimplemented
                | tonic::Code::Internal
                | tonic::Code::Unauthenticated => false,
            },
        }
    }
}

impl From<tonic::Status> for ExportError {
    fn from(status: tonic::Status) -> Self {
        Self::Grpc {
            code: status.code(),
            message: status.message().chars().take(MOST_MESSAGE).collect(),
        }
    }
}

/// Longest message of a collector that is shown, in characters.
const MOST_MESSAGE: usize = 200;
