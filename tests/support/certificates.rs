//! Authorities and the certificates they issue.

use std::path::Path;

use portcullis::config::Tls;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        self.0.der()
    }

    /// A certificate for `localhost`.
    pub(crate) fn server(&self) -> Leaf {
        self.issue(SanType::DnsName("localhost".try_into().unwrap()))
    }

    /// A certificate for the workload `id`.
    pub(crate) fn workload(&self, id: &str) -> Leaf {
        self.issue(SanType::URI(id.try_into().unwrap()))
    }

    fn issue(&self, name: SanType) -> Leaf {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }
}

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Leaf {
    /// Writes `tls.crt` and `tls.key`.
    pub(crate) fn write(&self, folder: &Path) {
        std::fs::write(folder.join("tls.key"), &self.key_pem).unwrap();
        std::fs::write(folder.join("tls.crt"), &self.certificate_pem).unwrap();
    }
}

/// TLS from `tls.crt` and `tls.key` in `folder`; with `clients` also mTLS, from `ca.crt` there.
pub(crate) fn tls(folder: &Path, clients: Option<&Authority>) -> Tls {
    let client_ca_file = clients.map(|authority| {
        let path = folder.join("ca.crt");
        std::fs::write(&path, authority.pem()).unwrap();
        path
    });
    Tls {
        cert_file: folder.join("tls.crt"),
        key_file: folder.join("tls.key"),
        client_ca_file,
        allowed_callers: None,
        reload_interval: std::time::Duration::from_millis(5),
    }
}
