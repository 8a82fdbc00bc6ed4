//! Where the keys of token providers come from: fetched aside of the line, published as key rings.
//!
//! One [`Follower`] a provider, so that its fetches never overlap. Promises that the last good keys
//! stay until they are too old whatever is served, that no answer is read beyond its bound, and that
//! two fetches begin at least the provider's `min_refresh` apart.

mod error;
mod fetch;
mod follow;
mod http;
mod persisted;
mod schedule;

pub use error::FetchError;
pub use follow::Follower;
pub use persisted::PersistedError;

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::identity::jwt::KeySet;

/// Where the keys of one provider come from, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// From where.
    pub kind: Kind,
    /// The time between two fetches when the server does not say (`Cache-Control: max-age`).
    pub refresh_interval: Duration,
    /// The longest time between two fetches, whatever the server says; the least is the provider's
    /// `min_refresh`. Every time is varied by up to a tenth, so that replicas do not fetch at once.
    pub max_refresh_interval: Duration,
    /// How long keys are used after they should have been replaced, while that fails. Must be more than
    /// a fetch takes, or there are no keys meanwhile.
    pub max_stale: Duration,
    /// Whether readiness waits until there are keys; else it waits for the first attempt alone.
    pub required: bool,
    /// How they are fetched.
    pub http: Http,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `jwks_uri`: the URL of a key set.
    Uri(String),
    /// `discovery: true`: the issuer's OpenID configuration names the URL.
    Discovery {
        /// The issuer, which the document must name too.
        issuer: Arc<str>,
    },
    /// `jwks_file`: read again every `refresh_interval`.
    File(PathBuf),
    /// `jwks`: stands in the configuration.
    Inline(Arc<KeySet>),
    /// None: the provider has a secret only.
    Secret,
}

/// How keys are fetched over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// For the connection.
    pub connect_timeout: Duration,
    /// For all of it.
    pub timeout: Duration,
    /// The longest answer that is read.
    pub max_response_bytes: usize,
    /// Who signs the server's certificate, PEM; `None`: the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate chain and key, PEM.
    pub client: Option<ClientCertificate>,
}

/// The files of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The chain.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            max_response_bytes: 1 << 20,
            ca_file: None,
            client: None,
        }
    }
}
