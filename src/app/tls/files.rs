//! The PEM files behind TLS: read whole, compared by digest, turned into a server configuration.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
};
use sha2::{Digest as _, Sha256};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use crate::config;

/// Why the files give no server configuration.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Cannot be opened or read.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// More than any certificate needs.
    #[error("`{}` is larger than {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    /// Not PEM, or not of the expected kind.
    #[error("`{}` is not a PEM file with what is needed", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A chain or list of authorities without an entry.
    #[error("`{}` holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key do not go together, or cannot be used.
    #[error("`{}` and its key cannot be used", path.display())]
    Unusable {
        /// The certificate file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The authorities give no verifier.
    #[error("the authorities in `{}` cannot be used", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: VerifierBuilderError,
    },
}

/// Tells two states of the files apart.
pub(super) type Digest = [u8; 32];

/// What stood in the files at one time.
pub(super) struct Content {
    certificate: Part,
    key: Part,
    client_authorities: Option<Part>,
}

impl Content {
    /// Reads all of the files.
    pub(super) fn read(tls: &config::Tls) -> Result<Self, FilesError> {
        Ok(Self {
            certificate: Part::read(&tls.cert_file)?,
            key: Part::read(&tls.key_file)?,
            client_authorities: tls.client_ca_file.as_deref().map(Part::read).transpose()?,
        })
    }

    /// Differs when any byte of any file differs.
    pub(super) fn digest(&self) -> Digest {
        let mut all = Sha256::new();
        for part in [&self.certificate, &self.key]
            .into_iter()
            .chain(&self.client_authorities)
        {
            all.update(Sha256::digest(&part.bytes));
        }
        all.finalize().into()
    }

    /// When the certificate itself, the first of its chain, expires, since the Unix epoch.
    pub(super) fn expires(&self) -> Option<Duration> {
        let chain = self.certificate.certificates().ok()?;
        let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
        let expires = certificate.validity().not_after.timestamp();
        u64::try_from(expires).ok().map(Duration::from_secs)
    }

    /// Checks everything and puts it together.
    pub(super) fn server_config(&self) -> Result<ServerConfig, FilesError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let unusable = |source| FilesError::Unusable {
            path: self.certificate.path.clone(),
            source,
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match &self.client_authorities {
            Some(authorities) => builder.with_client_cert_verifier(authorities.verifier(provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(self.certificate.certificates()?, self.key.private_key()?)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed session skips the verification of the client certificate: never resume.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// One file.
struct Part {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Part {
    fn read(path: &Path) -> Result<Self, FilesError> {
        let unreadable = |source| FilesError::Read {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        File::open(path)
            .map_err(unreadable)?
            .take(MAX_FILE.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE) {
            Ok(Self {
                path: path.to_owned(),
                bytes,
            })
        } else {
            Err(FilesError::TooLarge(path.to_owned()))
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, FilesError> {
        let chain = CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| self.not_pem(source))?;
        if chain.is_empty() {
            return Err(FilesError::NoCertificate(self.path.clone()));
        }
        Ok(chain)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, FilesError> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|source| self.not_pem(source))
    }

    fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, FilesError> {
        let mut roots = RootCertStore::empty();
        for authority in self.certificates()? {
            roots
                .add(authority)
                .map_err(|source| FilesError::Unusable {
                    path: self.path.clone(),
                    source,
                })?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|source| FilesError::Authorities {
                path: self.path.clone(),
                source,
            })
    }

    fn not_pem(&self, source: pem::Error) -> FilesError {
        FilesError::Pem {
            path: self.path.clone(),
            source,
        }
    }
}

/// Largest PEM file in bytes.
const MAX_FILE: u64 = 1024 * 1024;
