//! The events of `http.send`: a call answered, a host refused, a breaker opened and closed. No line
//! shows more of a URL than its origin, nor a header or a body.

use std::{error::Error, time::Duration};

use super::{
    metrics::Metrics,
    text::{causes, shown},
};

/// How a call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendResult {
    /// By a response that was kept.
    Cached,
    /// By one that was kept and that the server has confirmed.
    Revalidated,
    /// By a response of its own.
    Fetched,
    /// By the response to somebody else's equal request.
    Joined,
    /// By an old response, as there is no new one.
    Stale,
    /// The request object is none that can be sent.
    Invalid,
    /// The host is not allowed.
    Refused,
    /// The host is left alone for a while.
    BreakerOpen,
    /// No room for one more.
    Overloaded,
    /// No response in time.
    TimedOut,
    /// A response larger than may be read.
    TooLarge,
    /// No response.
    Failed,
}

impl SendResult {
    /// Every result, in the order of their counters.
    pub const ALL: [Self; 12] = [
        Self::Cached,
        Self::Revalidated,
        Self::Fetched,
        Self::Joined,
        Self::Stale,
        Self::Invalid,
        Self::Refused,
        Self::BreakerOpen,
        Self::Overloaded,
        Self::TimedOut,
        Self::TooLarge,
        Self::Failed,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Revalidated => "revalidated",
            Self::Fetched => "fetched",
            Self::Joined => "joined",
            Self::Stale => "stale",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::BreakerOpen => "breaker_open",
            Self::Overloaded => "overloaded",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
            Self::Failed => "failed",
        }
    }
}

/// A call has been answered.
#[derive(Clone, Copy, Debug)]
pub struct SendEnded {
    /// How.
    pub result: SendResult,
    /// How long it took.
    pub duration: Duration,
}

impl SendEnded {
    /// Counts it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.http_send.ended(self.result, self.duration);
    }
}

/// A policy wants to send where it may not.
#[derive(Clone, Copy, Debug)]
pub struct RequestRefused<'a> {
    /// Where, and what to do.
    pub error: &'a (dyn Error + 'static),
}

impl RequestRefused<'_> {
    /// Logs every time that the number has doubled: often enough to be found, never a flood.
    pub fn emit(&self, metrics: &Metrics) {
        let seen = metrics.http_send.refused();
        if seen.is_power_of_two() {
            tracing::warn!(
                requests = seen,
                error = %shown(&causes(self.error)),
                "http.send refused"
            );
        }
    }
}

/// A host is among those that policies may send to.
#[derive(Clone, Copy, Debug)]
pub struct HostAllowed<'a> {
    /// Its origin, from the configuration.
    pub host: &'a str,
}

impl HostAllowed<'_> {
    /// Shows its metrics.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.http_send.expect(self.host);
    }
}

/// A host is left alone for a while.
#[derive(Clone, Copy, Debug)]
pub struct BreakerOpened<'a> {
    /// Its origin, from the configuration.
    pub host: &'a str,
    /// The last failure.
    pub error: &'a (dyn Error + 'static),
}

impl BreakerOpened<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.http_send.opened(self.host);
        tracing::warn!(
            http_send.host = self.host,
            error = causes(self.error),
            "http.send breaker opened"
        );
    }
}

/// A host that was left alone has answered again.
#[derive(Clone, Copy, Debug)]
pub struct BreakerClosed<'a> {
    /// Its origin, from the configuration.
    pub host: &'a str,
}

impl BreakerClosed<'_> {
    /// Shows and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.http_send.closed(self.host);
        tracing::info!(http_send.host = self.host, "http.send breaker closed");
    }
}

#[cfg(test)]
mod tests;
