//! The certificates that a collector is asked with, from files that may be replaced.

use std::{path::Path, sync::Arc};

use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider, aws_lc_rs as provider, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{ExportError, Tls};
use crate::{
    digest::{self, Digest},
    small_file,
};

/// What the files hold.
#[derive(Debug, Default)]
pub(super) struct Material {
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Material {
    /// Reads the files. Blocks.
    pub(super) fn read(tls: &Tls) -> Result<Self, ExportError> {
        let read = |path: &Path| small_file::read(path, MOST_PEM);
        let authorities = tls.authorities.as_deref().map(read).transpose()?;
        let identity = match &tls.identity {
            None => None,
            Some((certificate, key)) => Some((read(certificate)?, read(key)?)),
        };
        Ok(Self {
            authorities,
            identity,
        })
    }

    /// Tells one content from any other.
    pub(super) fn digest(&self) -> Digest {
        let (certificate, key) = match &self.identity {
            Some((certificate, key)) => (certificate.as_slice(), key.as_slice()),
            None => Default::default(),
        };
        let authorities = self.authorities.as_deref().unwrap_or_default();
        digest::of_parts([authorities, certificate, key])
    }
}

/// Believes whoever answers, as `allow_insecure_tls` has it; that it has the key of its certificate is
/// proven all the same.
#[derive(Debug)]
pub(super) struct Anybody(Arc<CryptoProvider>);

impl Anybody {
    pub(super) fn new() -> Self {
        Self(Arc::new(provider::default_provider()))
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Most bytes of a PEM file that are read; all authorities there are fit.
const MOST_PEM: u64 = 1 << 20;
