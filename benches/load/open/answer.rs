//! What a call was answered, as far as it matters here.

use prost::Message;

/// The kinds of ends that a call can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Class {
    /// Let through; of a health check, serving.
    Allowed,
    /// Refused by the policy.
    Denied,
    /// Refused, because there is too much to do.
    Shed,
    /// Refused, because the time budget was used up.
    Budget,
    /// Refused for another failure that portcullis names.
    Failed,
    /// A gRPC error.
    Grpc,
    /// Neither: the stream or the connection broke.
    Broken,
    /// Not answered in time, and cancelled.
    TimedOut,
}

impl Class {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 8] = [
        Self::Allowed,
        Self::Denied,
        Self::Shed,
        Self::Budget,
        Self::Failed,
        Self::Grpc,
        Self::Broken,
        Self::TimedOut,
    ];

    /// How tables name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Shed => "shed",
            Self::Budget => "budget",
            Self::Failed => "failed",
            Self::Grpc => "gRPC error",
            Self::Broken => "broken",
            Self::TimedOut => "timed out",
        }
    }
}

/// Why there is no answer.
pub(super) enum Failure {
    Grpc(String),
    Broken(String),
    TimedOut,
}

impl Failure {
    pub(super) fn broken(error: &h2::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// How a call ended.
pub(crate) struct Answer {
    pub(crate) class: Class,
    /// What a failure says of itself.
    pub(crate) detail: Option<String>,
}

impl Answer {
    const fn plain(class: Class) -> Self {
        Self {
            class,
            detail: None,
        }
    }

    pub(super) fn failed(failure: Failure) -> Self {
        let (class, detail) = match failure {
            Failure::Grpc(detail) => (Class::Grpc, Some(detail)),
            Failure::Broken(detail) => (Class::Broken, Some(detail)),
            Failure::TimedOut => (Class::TimedOut, None),
        };
        Self { class, detail }
    }

    /// What these bytes of a `CheckResponse` say. As for Envoy no status means yes.
    pub(super) fn of_check(message: &[u8]) -> Self {
        let Ok(answer) = Head::decode(message) else {
            return Self::failed(Failure::Broken("not a CheckResponse".to_owned()));
        };
        let status = answer.status.unwrap_or_default();
        if status.code == 0 {
            return Self::plain(Class::Allowed);
        }
        // The public texts of portcullis; another server's denials are denials.
        let class = match status.message.as_str() {
            "unavailable: authorization is overloaded" => Class::Shed,
            "unavailable: authorization timed out" => Class::Budget,
            text if text.starts_with("unavailable: ") || text.starts_with("denied: ") => {
                Class::Failed
            }
            _ => return Self::plain(Class::Denied),
        };
        let detail = (class == Class::Failed).then_some(status.message);
        Self { class, detail }
    }

    /// What these bytes of a `HealthCheckResponse` say: `status: SERVING` and nothing else is yes.
    pub(super) fn of_health(message: &[u8]) -> Self {
        Self::plain(if message == [8, 1] {
            Class::Allowed
        } else {
            Class::Denied
        })
    }
}

/// The part of a `CheckResponse` that decides; the rest is skipped.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}
