//! Why a call has no response.

use std::error::Error;

use crate::{chain::Chain, policy::Unanswered, telemetry::http_send::SendResult};

/// Why a call has no response. No text holds more of a URL than its origin, nor a header or a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// The request object is none that can be sent.
    #[error("{0}")]
    Invalid(String),
    /// What the reference would send, and is refused here on purpose or for its size.
    #[error("{0}")]
    Refused(String),
    /// Nobody has allowed to send there.
    #[error(
        "`{0}` is not allowed: add it to `portcullis.http_send.allow` if policies may send there"
    )]
    NotAllowed(String),
    /// An address that nothing is ever sent to.
    #[error("`{0}` is a link-local, metadata, multicast or unspecified address: never allowed")]
    ForbiddenAddress(String),
    /// The last requests to the host have failed.
    #[error("`{0}` has failed too often and is left alone for a while")]
    BreakerOpen(String),
    /// There is no room for one more.
    #[error("too many requests are under way to `{0}`")]
    Overloaded(String),
    /// No response in time.
    #[error("{method} {origin}: request timed out")]
    TimedOut {
        /// What was asked.
        method: String,
        /// Of whom.
        origin: String,
    },
    /// No connection, or one that broke.
    #[error("{method} {origin}: {why}")]
    Failed {
        /// What was asked.
        method: String,
        /// Of whom.
        origin: String,
        /// The causes.
        why: String,
        /// There was no connection, so that the request itself cannot be what is wrong.
        unreachable: bool,
    },
    /// More than may be read.
    #[error("the {what} of `{origin}` is larger than {most} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Whose.
        origin: String,
        /// The bound.
        most: usize,
    },
    /// A redirect that the policy wanted to be followed.
    #[error("`{0}` answers with a redirect, and redirects are not followed: give the last URL")]
    Redirected(String),
    /// No client with these certificates.
    #[error("{0}")]
    Certificates(String),
    /// What should not happen.
    #[error("the request was given up")]
    GivenUp,
}

impl SendError {
    /// What metrics call it.
    pub(super) fn result(&self) -> SendResult {
        match self {
            Self::Invalid(_) | Self::Refused(_) | Self::Certificates(_) => SendResult::Invalid,
            Self::NotAllowed(_) | Self::ForbiddenAddress(_) => SendResult::Refused,
            Self::BreakerOpen(_) => SendResult::BreakerOpen,
            Self::Overloaded(_) => SendResult::Overloaded,
            Self::TimedOut { .. } => SendResult::TimedOut,
            Self::TooLarge { .. } => SendResult::TooLarge,
            Self::Failed { .. } | Self::Redirected(_) | Self::GivenUp => SendResult::Failed,
        }
    }

    /// The `error.code` of a response with `raise_error: false`, as the reference has it.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::TimedOut { .. } | Self::Failed { .. } => "eval_http_send_network_error",
            Self::Invalid(_)
            | Self::Refused(_)
            | Self::NotAllowed(_)
            | Self::ForbiddenAddress(_)
            | Self::BreakerOpen(_)
            | Self::Overloaded(_)
            | Self::TooLarge { .. }
            | Self::Redirected(_)
            | Self::Certificates(_)
            | Self::GivenUp => "eval_http_send_internal_error",
        }
    }

    /// Whether an older response may stand in: the host does not answer as it should.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::BreakerOpen(_)
            | Self::Overloaded(_)
            | Self::TimedOut { .. }
            | Self::Failed { .. }
            | Self::TooLarge { .. }
            | Self::GivenUp => true,
            Self::Invalid(_)
            | Self::Refused(_)
            | Self::NotAllowed(_)
            | Self::ForbiddenAddress(_)
            | Self::Redirected(_)
            | Self::Certificates(_) => false,
        }
    }

    /// What it is to a policy that does not look at errors itself.
    pub(super) fn unanswered(&self) -> Unanswered {
        let why = self.to_string();
        match self {
            Self::Invalid(_)
            | Self::TimedOut { .. }
            | Self::Failed { .. }
            | Self::Certificates(_) => Unanswered::Failed(why),
            Self::Refused(_)
            | Self::NotAllowed(_)
            | Self::ForbiddenAddress(_)
            | Self::BreakerOpen(_)
            | Self::Overloaded(_)
            | Self::TooLarge { .. }
            | Self::Redirected(_)
            | Self::GivenUp => Unanswered::Refused(why),
        }
    }
}

/// An error and its causes.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    Chain(error).to_string()
}
