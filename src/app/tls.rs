//! TLS on the gRPC port: HTTP/2 by ALPN, TLS 1.2 and up, optional client certificates, and an
//! optional list of the callers that may ask.
//!
//! Promises that new files are read and checked as a whole before they are used, that a broken
//! change keeps the last good certificate, and that a caller outside the list is never answered.

mod callers;
mod files;

use std::{io, sync::Arc};

use rustls::ServerConfig;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub use self::files::FilesError;
use self::{
    callers::{CallerError, admit},
    files::{Content, Digest},
};
use super::listen::Plain;
use crate::{
    chain::Chain,
    config::{self, AllowedCaller},
    snapshot::Snapshot,
    telemetry::{CertificateLoaded, CertificateRejected, CertificateReplaced, Metrics},
};

/// Why a connection did not become a TLS session.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// Not TLS, no common version or protocol, or no acceptable client certificate.
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    /// The session stands, but this caller may not ask.
    #[error("the caller is refused")]
    Caller(#[from] CallerError),
}

/// The TLS side of the gRPC port.
#[derive(Debug)]
pub(super) struct Tls {
    options: config::Tls,
    current: Snapshot<ServerConfig>,
    seen: Digest,
    /// The last problem that was told.
    rejected: Option<String>,
}

impl Tls {
    /// Loads the files once; nothing is served without a first good certificate.
    pub(super) fn load(options: config::Tls, metrics: &Metrics) -> Result<Self, FilesError> {
        let content = Content::read(&options)?;
        let tls = Self {
            current: Snapshot::of(content.server_config()?),
            seen: content.digest(),
            options,
            rejected: None,
        };
        let expires = content.expires();
        CertificateLoaded { expires }.emit(metrics);
        Ok(tls)
    }

    /// What accepts connections; it uses the newest good certificate each time.
    pub(super) fn acceptor(&self) -> Acceptor {
        Acceptor {
            current: self.current.clone(),
            allowed_callers: self.options.allowed_callers.as_deref().map(Arc::from),
        }
    }

    /// Looks at the files again and again; never returns.
    pub(super) async fn keep_fresh(mut self, metrics: Arc<Metrics>) {
        loop {
            tokio::time::sleep(self.options.reload_interval).await;
            let options = self.options.clone();
            // Secret volumes can be slow; no worker waits for them.
            let read = tokio::task::spawn_blocking(move || Content::read(&options));
            if let Ok(content) = read.await {
                self.take(content, &metrics);
            }
        }
    }

    fn take(&mut self, content: Result<Content, FilesError>, metrics: &Metrics) {
        let next = match content {
            Ok(content) if content.digest() == self.seen => {
                self.rejected = None;
                return;
            }
            Ok(content) => {
                self.seen = content.digest();
                let expires = content.expires();
                content.server_config().map(|config| (config, expires))
            }
            Err(error) => Err(error),
        };
        match next {
            Ok((next, expires)) => {
                self.current.publish(Arc::new(next));
                self.rejected = None;
                CertificateReplaced { expires }.emit(metrics);
            }
            Err(error) => self.reject(&error, metrics),
        }
    }

    /// Tells a problem once, however often the same files are looked at.
    fn reject(&mut self, error: &FilesError, metrics: &Metrics) {
        let problem = Chain(error).to_string();
        if self.rejected.as_ref() != Some(&problem) {
            CertificateRejected { problem: &problem }.emit(metrics);
            self.rejected = Some(problem);
        }
    }
}

/// Turns plaintext connections into TLS sessions.
#[derive(Clone, Debug)]
pub(super) struct Acceptor {
    current: Snapshot<ServerConfig>,
    allowed_callers: Option<Arc<[AllowedCaller]>>,
}

impl Acceptor {
    /// Shakes hands and turns callers outside the list away.
    pub(super) async fn accept(&self, plain: Plain) -> Result<TlsStream<Plain>, HandshakeError> {
        let config = self.current.load_full().ok_or_else(|| {
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
        admit(self.allowed_callers.as_deref(), certificate)?;
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_problem_with_the_files_is_told_once_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let write = |pem: &str| fs::write(path("tls.crt"), pem).unwrap();
        fs::write(path("tls.key"), key.serialize_pem()).unwrap();
        write(&certificate.pem());
        let metrics = Metrics::new(None);
        let options = config::Tls {
            cert_file: path("tls.crt"),
            key_file: path("tls.key"),
            client_ca_file: None,
            allowed_callers: None,
            reload_interval: Duration::MAX,
        };
        let mut tls = Tls::load(options, &metrics).unwrap();

        let mut look = |changed: u32, rejected: u32| {
            tls.take(Content::read(&tls.options), &metrics);
            let text = metrics.encode();
            for (result, count) in [("success", changed), ("failure", rejected)] {
                let name = "portcullis_certificate_reloads_total";
                let sample = format!("{name}{{result=\"{result}\"}} {count}\n");
                assert!(text.contains(&sample), "no {sample} in\n{text}");
            }
        };
        look(0, 0);
        for told in 1..=2 {
            fs::remove_file(path("tls.crt")).unwrap();
            look(0, told);
            look(0, told);
            write(&certificate.pem());
            look(0, told);
        }
        write("no certificate");
        look(0, 3);
        look(0, 3);
        write(&certificate.pem());
        look(1, 3);
        look(1, 3);
    }

    #[test]
    fn the_expiry_of_the_certificate_in_use_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let key = KeyPair::generate().unwrap();
        fs::write(path("tls.key"), key.serialize_pem()).unwrap();
        let write = |year| {
            let mut params = CertificateParams::default();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let certificate = params.self_signed(&key).unwrap();
            fs::write(path("tls.crt"), certificate.pem()).unwrap();
        };
        let metrics = Metrics::new(None);
        let shown = |expiry: &str| {
            let text = metrics.encode();
            let name = "portcullis_tls_certificate_expiry_timestamp_seconds";
            assert!(text.contains(&format!("\n{name} {expiry}\n")), "{text}");
        };
        write(2030);
        let options = config::Tls {
            cert_file: path("tls.crt"),
            key_file: path("tls.key"),
            client_ca_file: None,
            allowed_callers: None,
            reload_interval: Duration::MAX,
        };
        let mut tls = Tls::load(options, &metrics).unwrap();
        shown("1893456000.0");
        write(2031);
        tls.take(Content::read(&tls.options), &metrics);
        shown("1924992000.0");
        fs::write(path("tls.crt"), "no certificate").unwrap();
        tls.take(Content::read(&tls.options), &metrics);
        shown("1924992000.0");
    }
}
