//! An Istio-like workload PKI: one mesh root, leaf certificates with an empty subject and one SPIFFE
//! URI SAN, and the keys of the token issuer; written to a temporary folder.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::Value;
use tempfile::TempDir;

/// The folder with `ca.crt`, `<workload>.crt`/`.key` and the issuer's `jwks.json`.
pub(crate) struct Pki {
    folder: TempDir,
}

impl Pki {
    /// Makes the root and the workloads the tests use; `keys` verify what Envoy accepts as tokens.
    pub(crate) fn create(keys: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.crt"), root.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        for (name, id) in WORKLOADS {
            leaf(folder.path(), name, id, &issuer);
        }
        fs::write(folder.path().join("jwks.json"), keys.to_string()).unwrap();
        Self { folder }
    }

    /// Where the files lie.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The workload that has this name in its certificate.
    pub(crate) fn named(id: &str) -> &'static str {
        let workload = WORKLOADS.iter().find(|workload| workload.1 == id);
        workload.unwrap().0
    }

    /// Certificate and key of a workload, one PEM after the other.
    pub(crate) fn identity(&self, workload: &str) -> Vec<u8> {
        let mut pem = fs::read(self.path().join(workload).with_extension("crt")).unwrap();
        pem.extend(fs::read(self.path().join(workload).with_extension("key")).unwrap());
        pem
    }
}

fn leaf(folder: &Path, name: &str, id: &str, issuer: &Issuer<'_, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    fs::write(folder.join(name).with_extension("crt"), certificate.pem()).unwrap();
    fs::write(folder.join(name).with_extension("key"), key.serialize_pem()).unwrap();
}

const WORKLOADS: &[(&str, &str)] = &[
    ("server", "spiffe://cluster.local/ns/foo/sa/httpbin"),
    ("sleep", "spiffe://cluster.local/ns/foo/sa/sleep"),
    ("other", "spiffe://cluster.local/ns/bar/sa/default"),
    (
        "orders-api",
        "spiffe://cluster.local/ns/commerce/sa/orders-api",
    ),
    ("ambient-sleep", "spiffe://cluster.local/ns/wave/sa/sleep"),
    ("ambient-other", "spiffe://cluster.local/ns/wave/sa/default"),
];
