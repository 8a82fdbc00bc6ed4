//! The events of Check calls as gRPC sees them: whatever the answer says, a call that got one is `OK`.

use std::time::Duration;

use super::metrics::Metrics;

/// How a Check call can end, in gRPC's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// With a `CheckResponse`: an allow, a denial or an error.
    Ok,
    /// The caller went away first, or its stream broke off.
    Canceled,
    /// As `on_error: grpc_error` wants it of an error.
    Unavailable,
    /// The answer cannot be framed.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Canceled, Self::Unavailable, Self::Internal];

    /// The metric label, as it is usually written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Canceled => "Canceled",
            Self::Unavailable => "Unavailable",
            Self::Internal => "Internal",
        }
    }
}

/// A Check call has arrived.
#[derive(Clone, Copy, Debug)]
pub struct CallStarted;

impl CallStarted {
    /// Counts it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.grpc.started.inc();
    }
}

/// A Check call has ended, with or without an answer.
#[derive(Clone, Copy, Debug)]
pub struct CallEnded {
    /// How.
    pub code: Code,
    /// From its arrival.
    pub duration: Duration,
}

impl CallEnded {
    /// Counts it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.grpc.ended(self.code, self.duration);
    }
}
