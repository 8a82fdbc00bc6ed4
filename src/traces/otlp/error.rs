//! Why a collector did not take something; never with a secret in it.

use std::{io, path::PathBuf};

use memchr::memmem;
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
        /// Whether it says when to come again.
        again: bool,
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
            Self::Grpc { code, again, .. } => match code {
                // Otherwise it is too large, and always will be.
                tonic::Code::ResourceExhausted => *again,
                tonic::Code::Cancelled
                | tonic::Code::DeadlineExceeded
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
            again: memmem::find(status.details(), RETRY_INFO).is_some(),
        }
    }
}

/// Longest message of a collector that is shown, in characters.
const MOST_MESSAGE: usize = 200;
/// The type of a detail of a status that says when to come again.
const RETRY_INFO: &[u8] = b"google.rpc.RetryInfo";

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::*;

    #[test]
    fn what_may_pass_is_what_the_protocol_says() {
        for (code, passes) in [
            (Code::Unavailable, true),
            (Code::Cancelled, true),
            (Code::DeadlineExceeded, true),
            (Code::Aborted, true),
            (Code::OutOfRange, true),
            (Code::DataLoss, true),
            (Code::ResourceExhausted, false),
            (Code::InvalidArgument, false),
            (Code::Unauthenticated, false),
            (Code::PermissionDenied, false),
            (Code::Unimplemented, false),
        ] {
            let error = ExportError::from(Status::new(code, ""));
            assert_eq!(error.may_pass(), passes, "{code:?}");
        }
        let details = [b"\n\x28type.googleapis.com/".as_slice(), RETRY_INFO].concat();
        let status = Status::with_details(Code::ResourceExhausted, "", details.into());
        assert!(ExportError::from(status).may_pass());
    }

    #[test]
    fn of_http_those_statuses_pass_that_say_later() {
        for (status, passes) in [
            (429, true),
            (502, true),
            (503, true),
            (504, true),
            (302, false),
            (400, false),
            (401, false),
            (413, false),
            (500, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(ExportError::Status(status).may_pass(), passes, "{status}");
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let error = ExportError::from(Status::internal("é".repeat(5_000)));
        let text = error.to_string();
        assert!(text.chars().count() < 300, "{text}");
    }
}
