//! Why a fetch brought no keys. No text holds the user info or the query of a URL, nor what came.

use std::{io, path::PathBuf};

use crate::identity::jwt::InvalidKeySet;

/// Why a fetch brought no keys.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not something that can be fetched.
    #[error("{0} is not an absolute `http` or `https` URL")]
    NotAUrl(&'static str),
    /// A file cannot be opened or read.
    #[error("`{}` cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("`{}` is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// More than may be read.
    #[error("`{place}` is larger than {most} bytes")]
    TooLarge {
        /// The URL or file.
        place: String,
        /// The bound.
        most: usize,
    },
    /// The authorities or the client certificate are not what they must be.
    #[error("`{}` is not a PEM file with what is needed", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: reqwest::Error,
    },
    /// There are no authorities in the file, so no server could be trusted.
    #[error("`{}` holds no certificate", .0.display())]
    NoAuthority(PathBuf),
    /// The client cannot be made.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    /// No connection, or no TLS session.
    #[error("cannot connect to `{place}`")]
    Connect {
        /// The URL.
        place: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Not done in time.
    #[error("`{place}` took too long")]
    Timeout {
        /// The URL.
        place: String,
        /// At what.
        source: reqwest::Error,
    },
    /// The answer broke off or is not HTTP.
    #[error("the answer of `{place}` cannot be read")]
    Transport {
        /// The URL.
        place: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The answer sends us elsewhere.
    #[error("`{place}` answered {status}, and redirects are not followed")]
    Redirect {
        /// The URL.
        place: String,
        /// The status code.
        status: u16,
    },
    /// The answer is not 200.
    #[error("`{place}` answered {status}")]
    Status {
        /// The URL.
        place: String,
        /// The status code.
        status: u16,
    },
    /// 304 for keys that nobody has.
    #[error("the answer confirms keys that were never sent")]
    NothingToConfirm,
    /// The answer is not text.
    #[error("`{place}` holds bytes that are no UTF-8")]
    NotText {
        /// The URL or file.
        place: String,
        /// Where.
        source: std::string::FromUtf8Error,
    },
    /// The issuer's configuration cannot be read.
    #[error("`{place}` is not an OpenID configuration")]
    NotAConfiguration {
        /// The URL.
        place: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The issuer's configuration is that of another issuer.
    #[error("the OpenID configuration is that of `{found}`, not of `{expected}`")]
    OtherIssuer {
        /// The issuer whose configuration was asked for.
        expected: String,
        /// The issuer it names, cut short.
        found: String,
    },
    /// The keys would come over a weaker connection than the issuer's configuration.
    #[error("the `jwks_uri` of an `https` issuer must be `https` too")]
    Downgrade,
    /// What came is no key set.
    #[error("what came is no key set")]
    NotAKeySet(#[source] InvalidKeySet),
    /// Reading or parsing ended in a panic.
    #[error("reading the keys failed inside")]
    Internal(#[source] tokio::task::JoinError),
}
