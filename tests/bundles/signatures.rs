//! Bundles that must be signed: from whoever they come, only the right key's become active.

use std::{collections::BTreeMap, sync::Arc};

use portcullis::{
    policy::bundle::{Claims, Key, PrivateKey, SIGNATURES, Signer, Verification, Verifier},
    sources::bundles::{Source, status::Stage},
};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;

use crate::{
    gate::{Gate, PATH, at, version},
    server::{Answer, BundleServer, Version, archive},
};

/// A publisher's key.
pub(crate) struct Publisher(KeyPair);

impl Publisher {
    pub(crate) fn new() -> Self {
        Self(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
    }

    /// As configurations have it.
    pub(crate) fn public_key(&self) -> String {
        self.0.public_key_pem()
    }

    /// Makes whoever follows `source` believe this one alone, under the id `ours`.
    pub(crate) fn is_believed_by(&self, source: &mut Source) {
        let key = Key::from_config(&self.0.public_key_pem(), Some("ES256"), None).unwrap();
        let keys = BTreeMap::from([("ours".to_owned(), key)]);
        let verifier = Verifier::new(keys, None, None, &[]).unwrap();
        source.verification = Arc::new(Verification::Signed(verifier));
    }

    /// The content of `.signatures.json`.
    pub(crate) fn signature(&self, files: &[(String, Vec<u8>)], key_id: &str) -> Vec<u8> {
        let signer = Signer {
            key: PrivateKey::from_text(&self.0.serialize_pem(), Some("ES256")).unwrap(),
            key_id: Some(key_id.to_owned()),
            claims: Claims::new(),
        };
        let files = files
            .iter()
            .map(|(path, bytes)| (path.as_str(), &bytes[..]));
        signer.sign(files).unwrap()
    }

    /// This version, signed.
    pub(crate) fn signed(&self, number: u32) -> Vec<u8> {
        let files = files(number);
        packed(&files, &self.signature(&files, "ours"))
    }
}

/// The files of [`version`].
fn files(number: u32) -> Vec<(String, Vec<u8>)> {
    let module =
        format!("package envoy.authz\nallow := {number} if data.release.number == {number}");
    vec![
        (
            ".manifest".into(),
            format!(r#"{{"revision": "{number}", "roots": ["envoy", "release"]}}"#).into(),
        ),
        ("envoy/policy.rego".into(), module.into()),
        (
            "release/data.json".into(),
            format!(r#"{{"number": {number}}}"#).into(),
        ),
    ]
}

pub(crate) fn packed(files: &[(String, Vec<u8>)], signature: &[u8]) -> Vec<u8> {
    let mut all: Vec<(&str, &[u8])> = vec![(SIGNATURES, signature)];
    all.extend(
        files
            .iter()
            .map(|(path, bytes)| (path.as_str(), &bytes[..])),
    );
    archive(&all)
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_right_key_has_signed_becomes_active() {
    let (ours, theirs) = (Publisher::new(), Publisher::new());
    let good = files(2);
    let mut changed = good.clone();
    changed[2].1 = br#"{"number": 3}"#.to_vec();
    let mut more = good.clone();
    more.push(("envoy/more.rego".into(), b"package envoy.more".to_vec()));
    let signature = ours.signature(&good, "ours");
    let mut damaged = String::from_utf8(signature.clone()).unwrap();
    let at_signature = damaged.rfind('.').unwrap() + 10;
    let other = if damaged.as_bytes()[at_signature] == b'A' {
        "B"
    } else {
        "A"
    };
    damaged.replace_range(at_signature..=at_signature, other);
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("unsigned", version(2), "not signed"),
        (
            "a file that was changed",
            packed(&changed, &signature),
            "not the one that was signed",
        ),
        ("a file more", packed(&more, &signature), "more.rego"),
        (
            "a file less",
            packed(&good[..2], &signature),
            "release/data.json",
        ),
        (
            "a damaged signature",
            packed(&good, damaged.as_bytes()),
            "signature",
        ),
        ("another's key", theirs.signed(2), "signature"),
        (
            "an unknown key",
            packed(&good, &ours.signature(&good, "new")),
            "`new`",
        ),
    ];
    for (name, bad, message) in cases {
        let server = BundleServer::start().await;
        let mut source = at(&server, "authz");
        ours.is_believed_by(&mut source);
        server.set(PATH, Version::new("1", ours.signed(1)));
        let gate = Gate::start(vec![source]).await;
        gate.decides(1).await;
        gate.status_when("authz", |status| {
            status.signed_by.as_deref() == Some("ours")
        })
        .await;
        server.set(PATH, Version::new("bad", bad));
        let failure = gate.fails("authz", Stage::Read).await.failure.unwrap();
        assert!(
            failure.message.contains(message),
            "{name}: {}",
            failure.message
        );
        assert_eq!(gate.version(), Some(1), "{name}");
        server.set(PATH, Version::new("2", ours.signed(2)));
        gate.decides(2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_on_disk_is_verified_again() {
    let (ours, theirs) = (Publisher::new(), Publisher::new());
    for (bytes, good) in [
        (ours.signed(7), true),
        (theirs.signed(7), false),
        (version(7), false),
    ] {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("bundles/authz/bundle.tar.gz");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, bytes).unwrap();
        let server = BundleServer::start().await;
        server.set(PATH, Answer::status(500));
        let mut source = at(&server, "authz");
        source.persist = Some(folder.path().to_owned());
        ours.is_believed_by(&mut source);
        let gate = Gate::start(vec![source]).await;
        gate.fails("authz", Stage::Download).await;
        assert_eq!(gate.version(), good.then_some(7));
        assert_eq!(gate.ready.current().is_ready(), good);
    }
}
