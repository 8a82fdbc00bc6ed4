//! Why a collector did not take something; never with a secret in it.

use std::error::Error as _;

use memchr::memmem;
use reqwest::StatusCode;

use crate::small_file::SmallFileError;

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A certificate or a key.
    #[error(transparent)]
    File(#[from] SmallFileError),
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
        /// Whether the connection failed, and the collector has said nothing.
        unsaid: bool,
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

/// What may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// To try the same later.
    Later,
    /// To give less at once.
    Less,
    /// Nothing.
    None,
}

impl ExportError {
    /// What may help against it (OTLP, "Failures").
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::File(_) | Self::Client(_) | Self::Http(_) | Self::TimedOut => Remedy::Later,
            Self::Partial(_) => Remedy::None,
            Self::Status(status) => match status.as_u16() {
                429 | 502 | 503 | 504 => Remedy::Later,
                413 => Remedy::Less,
                _ => Remedy::None,
            },
            Self::Grpc {
                code,
                again,
                unsaid,
                ..
            } => match code {
                // Without that it is too large, and always will be. Collectors made with tonic say so with
                // `OutOfRange`.
                tonic::Code::ResourceExhausted | tonic::Code::OutOfRange if *again => Remedy::Later,
                tonic::Code::ResourceExhausted | tonic::Code::OutOfRange => Remedy::Less,
                // What tonic says when a connection ends under a call; not what a collector says.
                tonic::Code::Unknown if *unsaid => Remedy::Later,
                tonic::Code::Cancelled
                | tonic::Code::DeadlineExceeded
                | tonic::Code::Aborted
                | tonic::Code::Unavailable
                | tonic::Code::DataLoss => Remedy::Later,
                tonic::Code::Unknown
                | tonic::Code::Ok
                | tonic::Code::InvalidArgument
                | tonic::Code::NotFound
                | tonic::Code::AlreadyExists
                | tonic::Code::PermissionDenied
                | tonic::Code::FailedPrecondition
                | tonic::Code::Unimplemented
                | tonic::Code::Internal
                | tonic::Code::Unauthenticated => Remedy::None,
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
            unsaid: status.source().is_some(),
        }
    }
}

/// Longest message of a collector that is shown, in characters.
const MOST_MESSAGE: usize = 200;
/// The type of a detail of a status that says when to come again.
const RETRY_INFO: &[u8] = b"google.rpc.RetryInfo";

#[cfg(test)]
mod tests {
    use std::io;

    use tonic::{Code, Status};

    use super::*;

    #[test]
    fn what_is_tried_again_is_what_the_protocol_says() {
        for (code, remedy) in [
            (Code::Unavailable, Remedy::Later),
            (Code::Cancelled, Remedy::Later),
            (Code::DeadlineExceeded, Remedy::Later),
            (Code::Aborted, Remedy::Later),
            (Code::DataLoss, Remedy::Later),
            (Code::OutOfRange, Remedy::Less),
            (Code::ResourceExhausted, Remedy::Less),
            (Code::Unknown, Remedy::None),
            (Code::InvalidArgument, Remedy::None),
            (Code::Unauthenticated, Remedy::None),
            (Code::PermissionDenied, Remedy::None),
            (Code::Unimplemented, Remedy::None),
            (Code::Internal, Remedy::None),
        ] {
            let error = ExportError::from(Status::new(code, ""));
            assert_eq!(error.remedy(), remedy, "{code:?}");
        }
    }

    #[test]
    fn what_is_exhausted_is_tried_again_when_it_says_when() {
        let details = |kind: &[u8]| [b"\n\x28type.googleapis.com/", kind].concat();
        for (kind, remedy) in [
            (RETRY_INFO, Remedy::Later),
            (b"google.rpc.ErrorInfo", Remedy::Less),
        ] {
            for code in [Code::ResourceExhausted, Code::OutOfRange] {
                let status = Status::with_details(code, "", details(kind).into());
                assert_eq!(ExportError::from(status).remedy(), remedy, "{code:?}");
            }
        }
    }

    #[test]
    fn an_unknown_failure_is_tried_again_when_it_is_of_the_connection() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        let status = Status::from_error(Box::new(broken));
        assert_eq!(status.code(), Code::Unknown);
        assert_eq!(ExportError::from(status).remedy(), Remedy::Later);
        let said = Status::unknown("broken pipe");
        assert_eq!(ExportError::from(said).remedy(), Remedy::None);
    }

    #[test]
    fn of_http_those_statuses_are_tried_again_that_say_so() {
        for (status, remedy) in [
            (429, Remedy::Later),
            (502, Remedy::Later),
            (503, Remedy::Later),
            (504, Remedy::Later),
            (413, Remedy::Less),
            (302, Remedy::None),
            (400, Remedy::None),
            (401, Remedy::None),
            (500, Remedy::None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(ExportError::Status(status).remedy(), remedy, "{status}");
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let error = ExportError::from(Status::internal("é".repeat(5_000)));
        let text = error.to_string();
        assert!(text.chars().count() < 300, "{text}");
    }
}
