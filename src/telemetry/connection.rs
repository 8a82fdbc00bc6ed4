//! The events of the gRPC port: connections that come or are refused, and its certificate.

use std::{error::Error, fmt, fmt::Display, time::Duration};

use super::metrics::Metrics;
use crate::chain::Chain;

/// A connection was accepted; it may still have to shake hands.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionAccepted;

impl ConnectionAccepted {
    /// Counts it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.connections.accepted.inc();
    }
}

/// A connection could not be accepted: the process is out of something, or the caller went away.
#[derive(Clone, Copy, Debug)]
pub struct AcceptFailed<'a> {
    /// What the kernel said.
    pub error: &'a (dyn Error + 'static),
}

impl AcceptFailed<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.connections.accept_failures.inc();
        let error = Chain(self.error).to_string();
        tracing::warn!(error, "connection not accepted");
    }
}

/// A connection did not become a TLS session: not TLS, no acceptable certificate, or too slow.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeFailed<'a> {
    /// What went wrong.
    pub error: &'a (dyn Error + 'static),
}

impl HandshakeFailed<'_> {
    /// Counts it; anybody can cause these, so they are shown at `debug` only.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.connections.handshake_failures.inc();
        tracing::debug!(error = %Chain(self.error), "TLS handshake failed");
    }
}

/// A caller with a good certificate may not ask.
#[derive(Clone, Copy, Debug)]
pub struct CallerRefused<'a> {
    /// Why not.
    pub error: &'a (dyn Error + 'static),
}

impl CallerRefused<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.connections.refused_callers.inc();
        let error = Chain(self.error).to_string();
        tracing::warn!(error, "caller refused");
    }
}

/// The first certificate files are in use.
#[derive(Clone, Copy, Debug)]
pub struct CertificateLoaded {
    /// When the certificate expires, since the Unix epoch; `None` when it does not tell.
    pub expires: Option<Duration>,
}

impl CertificateLoaded {
    /// Notes it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.connections.certificate_expires(self.expires);
    }
}

/// New certificate files are in use.
#[derive(Clone, Copy, Debug)]
pub struct CertificateReplaced {
    /// When the certificate expires, since the Unix epoch; `None` when it does not tell.
    pub expires: Option<Duration>,
}

impl CertificateReplaced {
    /// Counts and logs it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.connections.certificates_replaced.inc();
        metrics.connections.certificate_expires(self.expires);
        tracing::info!("certificate replaced");
    }
}

/// New certificate files cannot be used; the last good ones stay.
pub struct CertificateRejected<'a> {
    /// What is wrong with them, for people.
    pub problem: &'a dyn Display,
}

impl CertificateRejected<'_> {
    /// Counts and logs it.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.connections.certificates_rejected.inc();
        let error = self.problem.to_string();
        tracing::error!(error, "new certificate rejected, the last good one stays");
    }
}

impl fmt::Debug for CertificateRejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRejected")
            .finish_non_exhaustive()
    }
}
