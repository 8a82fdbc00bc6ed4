//! Bundles: downloaded, verified and compiled aside of the line, and activated together.
//!
//! One follower a bundle asks its source again and again and offers what is new; nothing becomes
//! active unless every bundle is there and the whole set compiles. Promises that the last good policy
//! stays whatever a source serves, and that why is always told: in status, metrics and log.

pub mod download;
pub mod status;

mod age;
mod follow;
mod followers;
mod persisted;
mod schedule;

pub use followers::Followers;

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    policy::bundle::{Limits, RevisionOrder, Verification},
    services::Service,
};

/// One entry of `bundles`, with OPA's keys and ours (`portcullis.bundles`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name: the key below `bundles`.
    pub name: Arc<str>,
    /// From where.
    pub kind: Kind,
    /// `polling`.
    pub polling: Polling,
    /// `trigger: manual`: asked once at start and never again.
    pub manual: bool,
    /// `persist`: the last good archive is kept below this folder (`persistence_directory`).
    pub persist: Option<PathBuf>,
    /// How large it may be.
    pub limits: Limits,
    /// What makes it genuine.
    pub verification: Arc<Verification>,
    /// `portcullis.bundles.*.monotonic`: revisions never go back in this order.
    pub monotonic: Option<RevisionOrder>,
    /// `portcullis.bundles.*.on_activation.run_tests`: its `test_` rules must hold.
    pub run_tests: bool,
    /// `portcullis.bundles.*.max_age`.
    pub max_age: Option<MaxAge>,
}

/// Where a bundle comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `GET <service.url>/<resource>`.
    Http {
        /// The server.
        service: Arc<Service>,
        /// `resource`, default `bundles/<name>`.
        resource: String,
    },
    /// `file://`: an archive, or a folder laid out like one; watched.
    File(PathBuf),
    /// A service with `type: oci`.
    Oci {
        /// The registry.
        service: Arc<Service>,
        /// `resource`: `host/repository:tag` or `host/repository@digest`.
        reference: String,
    },
    /// A service whose URL names a bucket.
    Object {
        /// The bucket.
        service: Arc<Service>,
        /// `resource`: the object's key below the URL's path.
        resource: String,
    },
}

/// How often a source is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// `min_delay_seconds`, default 60: the least wait between two requests.
    pub min_delay: Duration,
    /// `max_delay_seconds`, default 120: the most. Each wait is drawn between both.
    pub max_delay: Duration,
    /// `long_polling_timeout_seconds`: how long the server is asked to hold a request until it has
    /// something new; then there is no wait between requests.
    pub long_polling_timeout: Option<Duration>,
}

/// Bundles polled as OPA polls them by default.
impl Default for Polling {
    fn default() -> Self {
        Self {
            min_delay: Duration::from_mins(1),
            max_delay: Duration::from_mins(2),
            long_polling_timeout: None,
        }
    }
}

/// When a gate that hears nothing from a source says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxAge {
    /// How long ago the source was last heard from (a bundle that is genuine, or "not modified").
    pub age: Duration,
    /// Whether the gate is then not ready any more.
    pub unready: bool,
}
