//! Stage 9: what leaves about a check and about the server, off the line.
//!
//! Everything worth knowing is an event, built once and emitted once: it is counted in [`Metrics`]
//! and shown as a log line. What is told of single checks leaves the line as a [`Record`] and goes
//! through the [`Recorder`]. Names of log fields stand in the event files and nowhere else. No label
//! takes its value from a request; no line shows headers, queries, bodies, tokens or claims.

pub mod bundles;
pub mod connection;
mod decision_id;
pub mod decision_log;
pub mod discovery;
pub mod event;
pub mod grpc;
pub mod http_send;
pub mod jwks;
pub mod lifecycle;
pub mod line;
pub mod log;
pub mod metrics;
pub mod panics;
mod per;
pub mod record;
pub mod recorder;
pub mod reports;
pub mod sink;
pub(crate) mod text;
mod trace;

pub use bundles::{
    BundleActivated, BundleDownloaded, BundleFollowed, BundleForgotten, BundleHeard,
    BundleNotPersisted, BundleNotRestored, BundleOld, BundlePersisted, BundleRejected,
    BundleRestored, BundleUnchanged,
};
use std::sync::Arc;

pub use connection::{
    AcceptFailed, CallerRefused, CertificateLoaded, CertificateRejected, CertificateReplaced,
    ConnectionAccepted, HandshakeFailed,
};
pub use decision_id::DecisionId;
pub use discovery::{ConfigurationDiscovered, ConfigurationRejected};
pub use event::{ActivePolicy, CheckAbandoned, CheckDecided, Seen, SeenToken, StageTimes};
pub use jwks::{
    KeySkipped, KeysFetched, KeysFollowed, KeysGiven, KeysNotPersisted, KeysNotRestored,
    KeysRestored,
};
pub use lifecycle::{
    ObserverNotStarted, ObserverStarted, PolicyActivated, PolicyRejected, ServerDraining,
    ServerStarted, ServerStopped,
};
pub use metrics::{InFlight, Metrics};
pub use record::{Record, Recorded, RecordedToken};
pub use recorder::Recorder;
pub use reports::{ReportFailed, ReportLogged, ReportSent};
pub use sink::{SinkFailed, SinkRecovered, SpillFailed};
pub(crate) use trace::new_span_id;
pub use trace::{Context, ExportFailed, ExportGoesOn, Parent, Trace, Tracing};

/// Where the line of a check tells what happened.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is told of single checks.
    pub recorder: Recorder,
    /// Where checks stand in distributed traces.
    pub tracing: Tracing,
}

/// Counts, and tells nobody of single checks.
impl From<Arc<Metrics>> for Telemetry {
    fn from(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            recorder: Recorder::default(),
            tracing: Tracing::default(),
        }
    }
}
