//! What happened to connections, counted for the metrics endpoint.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the gRPC port; they only rise.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections accepted.
    pub accepted: Count,
    /// Failed attempts to accept one, such as being out of file descriptors.
    pub accept_errors: Count,
    /// TLS handshakes that failed or took too long.
    pub handshake_failures: Count,
    /// Callers with a good certificate that are not on the list.
    pub refused_callers: Count,
}

/// One counter.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
