//! TLS on the gRPC port: HTTP/2 by ALPN, TLS 1.2 and up, optional client certificates, and an
//! optional list of the callers that may ask.
//!
//! Promises that new files are read and checked as a whole before they are used, that a broken
//! change keeps the last good certificate, and that a caller outside the list is never answered.

pub mod callers;
pub mod files;

use std::{io, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::{
    callers::{CallerError, Callers},
    files::{Files, FilesError},
};
use super::listen::Plain;
use crate::snapshot::Snapshot;

/// What the gRPC port proves and asks for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The files with certificate, key and, for mTLS, the authorities of client certificates.
    pub files: Files,
    /// Who may connect. A list needs [`Files::client_authorities`].
    pub callers: Callers,
    /// How often the files are looked at.
    pub reload_interval: Duration,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The files give no certificate to serve.
    #[error("the certificate cannot be loaded")]
    Files(#[from] FilesError),
    /// A list without client certificates would refuse everybody.
    #[error("a list of callers needs an authority for client certificates")]
    CallersWithoutAuthority,
}

/// Why a connection did not become a TLS session.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// Not TLS, no common version or protocol, or no acceptable client certificate.
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    /// The session stands, but this caller may not ask.
    #[error("the caller is refused")]
    Caller(#[from] CallerError),
}

/// How the certificate files stand; `generation` rises with every certificate put to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// 1 for the certificate of the start.
    pub generation: u64,
    /// Why the newest files are not in use; `None` when they are.
    pub rejected: Option<String>,
}

/// The TLS side of the gRPC port.
#[derive(Debug)]
pub struct Tls {
    config: Snapshot<ServerConfig>,
    callers: Callers,
    files: Files,
    reload_interval: Duration,
    seen: files::Digest,
    status: watch::Sender<Status>,
}

impl Tls {
    /// Loads the files once; nothing is served without a first good certificate.
    pub fn load(options: Options) -> Result<Self, TlsError> {
        if options.callers.is_list() && options.files.client_authorities.is_none() {
            return Err(TlsError::CallersWithoutAuthority);
        }
        let content = options.files.read()?;
        Ok(Self {
            config: Snapshot::of(content.server_config()?),
            callers: options.callers,
            seen: content.digest(),
            files: options.files,
            reload_interval: options.reload_interval,
            status: watch::Sender::new(Status {
                generation: 1,
                rejected: None,
            }),
        })
    }

    /// Follows how the files stand.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// What accepts connections; it uses the newest good certificate each time.
    pub(super) fn acceptor(&self) -> Acceptor {
        Acceptor {
            config: self.config.clone(),
            callers: self.callers.clone(),
        }
    }

    /// Looks at the files again and again; never returns.
    pub(super) async fn keep_fresh(mut self) {
        loop {
            tokio::time::sleep(self.reload_interval).await;
            let files = self.files.clone();
            // Secret volumes can be slow; no worker waits for them.
            let Ok(content) = tokio::task::spawn_blocking(move || files.read()).await else {
                continue;
            };
            self.take(content);
        }
    }

    fn take(&mut self, content: Result<files::Content, FilesError>) {
        let config = match content {
            Ok(content) if content.digest() == self.seen => return,
            Ok(content) => {
                self.seen = content.digest();
                content.server_config()
            }
            Err(error) => Err(error),
        };
        match config {
            Ok(config) => {
                self.config.publish(Arc::new(config));
                self.status.send_modify(|status| {
                    status.generation = status.generation.saturating_add(1);
                    status.rejected = None;
                });
                tracing::info!("certificate replaced");
            }
            Err(error) => self.reject(&error),
        }
    }

    /// Logs a rejection once, however often the same files are looked at.
    fn reject(&self, error: &FilesError) {
        let text = super::with_causes(error);
        self.status.send_if_modified(|status| {
            let is_new = status.rejected.as_ref() != Some(&text);
            if is_new {
                tracing::warn!(
                    error = text,
                    "new certificate rejected, the last good one stays"
                );
                status.rejected = Some(text);
            }
            is_new
        });
    }
}

/// Turns plaintext connections into TLS sessions.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    config: Snapshot<ServerConfig>,
    callers: Callers,
}

impl Acceptor {
    /// Shakes hands and turns callers outside the list away.
    pub(super) async fn accept(&self, plain: Plain) -> Result<TlsStream<Plain>, HandshakeError> {
        let config = self.config.load_full().ok_or_else(|| {
            HandshakeError::Handshake(io::Error::other("no certificate is loaded"))
        })?;
        let session = TlsAcceptor::from(config)
            .accept(plain)
            .await
            .map_err(HandshakeError::Handshake)?;
        let certificate = session
            .get_ref()
            .1
            .peer_certificates()
            .and_then(<[_]>::first);
        self.callers.admit(certificate)?;
        Ok(session)
    }
}
