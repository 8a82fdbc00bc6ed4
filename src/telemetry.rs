//! Stage 9: what leaves about a check and about the server, off the line.
//!
//! Everything worth knowing is an event, built once and emitted once: it is counted in [`Metrics`]
//! and shown as a log line. Names of log fields stand in the event files and nowhere else. No label
//! takes its value from a request; no line shows headers, queries, bodies, tokens or claims.

pub mod bundles;
pub mod connection;
pub mod decision_log;
pub mod discovery;
pub mod event;
pub mod grpc;
pub mod http_send;
pub mod jwks;
pub mod lifecycle;
pub mod log;
pub mod metrics;
mod per;
pub mod reports;

pub use bundles::{
    BundleActivated, BundleDownloaded, BundleFollowed, BundleForgotten, BundleHeard,
    BundleNotPersisted, BundleNotRestored, BundleOld, BundlePersisted, BundleRejected,
    BundleRestored, BundleUnchanged,
};
pub use connection::{
    AcceptFailed, CallerRefused, CertificateLoaded, CertificateRejected, CertificateReplaced,
    ConnectionAccepted, HandshakeFailed,
};
pub use discovery::{ConfigurationDiscovered, ConfigurationRejected};
pub use event::{ActivePolicy, CheckAbandoned, CheckDecided, Seen, SeenToken, StageTimes};
pub use jwks::{
    KeySkipped, KeysFetched, KeysFollowed, KeysGiven, KeysNotPersisted, KeysNotRestored,
    KeysRestored,
};
pub use lifecycle::{
    PolicyActivated, PolicyRejected, ServerDraining, ServerStarted, ServerStopped,
};
pub use metrics::{InFlight, Metrics};
pub use reports::{ReportFailed, ReportLogged, ReportSent};
