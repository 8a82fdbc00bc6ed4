//! Why a service did not answer; never with a secret in it.

use std::{path::PathBuf, time::Duration};

use crate::small_file::SmallFileError;

/// Why there is no answer of a service. An answer with a status of failure is an answer.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The URL and the resource make no web address.
    #[error("`{resource}` below `{place}` is no address of `http` or `https`")]
    Resource {
        /// The service.
        place: String,
        /// What should be below it.
        resource: String,
    },
    /// A header cannot be sent.
    #[error("the header `{0}` holds characters that no header may")]
    Header(String),
    /// A certificate, a key or a token.
    #[error(transparent)]
    File(SmallFileError),
    /// A PEM file does not hold what it should.
    #[error("`{}` holds no usable certificates or keys", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: reqwest::Error,
    },
    /// A file of authorities is empty.
    #[error("`{}` holds no certificate", .0.display())]
    NoAuthority(PathBuf),
    /// No client can be made of the authorities and certificates.
    #[error("no client can be made of these certificates")]
    Client(#[source] reqwest::Error),
    /// There is no token, or it cannot stand in a header.
    #[error("{0} holds no usable token")]
    Token(String),
    /// The token server did not answer.
    #[error("no token from `{place}`")]
    TokenTransport {
        /// The token server.
        place: String,
        /// What went wrong.
        #[source]
        source: Box<Self>,
    },
    /// The token server refused.
    #[error("`{place}` answered {status}{} and gave no token", reason(.code.as_deref()))]
    TokenRefused {
        /// The token server.
        place: String,
        /// The HTTP status.
        status: u16,
        /// The `error` of its answer (RFC 6749, section 5.2).
        code: Option<String>,
    },
    /// What the token server answered is no token.
    #[error("the answer of `{place}` {rule}")]
    TokenAnswer {
        /// The token server.
        place: String,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// There are no keys for AWS.
    #[error("no AWS credentials from {from}")]
    Aws {
        /// Where they were to come from.
        from: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A request cannot be signed for AWS.
    #[error("the request cannot be signed for AWS")]
    Unsigned(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection, or a broken one.
    #[error("no whole answer from `{place}`")]
    Transport {
        /// Who was asked.
        place: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// Too slow.
    #[error("{what} of `{place}` did not come within {} s", after.as_secs_f64())]
    TimedOut {
        /// Who was asked.
        place: String,
        /// What did not come.
        what: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The answer is longer than may be.
    #[error("the answer of `{place}` is longer than {most} bytes")]
    TooLarge {
        /// Who was asked.
        place: String,
        /// The most bytes it may have.
        most: u64,
    },
    /// A redirect that is not followed.
    #[error("the redirect by `{place}` {rule}")]
    Redirect {
        /// Who redirects.
        place: String,
        /// Why not.
        rule: &'static str,
    },
    /// A task of ours ended.
    #[error("a task of this process ended before its time")]
    Internal(#[source] tokio::task::JoinError),
}

fn reason(code: Option<&str>) -> String {
    code.map(|code| format!(" (`{code}`)")).unwrap_or_default()
}

impl ServiceError {
    /// Whether nothing was asked of the service yet: files, certificates, credentials.
    pub const fn is_preparation(&self) -> bool {
        match self {
            Self::Resource { .. }
            | Self::Header(_)
            | Self::File(_)
            | Self::Pem { .. }
            | Self::NoAuthority(_)
            | Self::Client(_)
            | Self::Token(_)
            | Self::TokenTransport { .. }
            | Self::TokenRefused { .. }
            | Self::TokenAnswer { .. }
            | Self::Aws { .. }
            | Self::Unsigned(_)
            | Self::Internal(_) => true,
            Self::Transport { .. }
            | Self::TimedOut { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. } => false,
        }
    }
}
