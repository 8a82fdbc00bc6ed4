//! Bundles in registries and object stores: servers of our own on free ports, the real downloader and
//! the real commands.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "support/bundles.rs"]
#[expect(dead_code, unused_imports, reason = "other tests use the rest")]
mod bundles;
#[path = "support/certificates.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod certificates;
#[path = "support/registry.rs"]
mod server;

#[path = "registry/commands.rs"]
mod commands;
#[path = "registry/lies.rs"]
mod lies;
#[path = "registry/manifests.rs"]
mod manifests;
#[path = "registry/objects.rs"]
mod objects;
#[path = "registry/opa.rs"]
mod opa;
#[path = "registry/pulling.rs"]
mod pulling;
#[path = "registry/tokens.rs"]
mod tokens;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use portcullis::{
    policy::bundle::{Limits, Verification},
    services::{Credentials, Service, Tls, Token},
    sources::bundles::{
        Kind, Polling, Source,
        download::{Archive, Ask, Download, DownloadError, Downloader},
    },
};

/// A service at `url` that has `credentials`.
fn service(url: &str, credentials: Credentials) -> Service {
    Service {
        name: "registry".into(),
        url: url.parse().unwrap(),
        oci: false,
        response_header_timeout: Duration::from_secs(20),
        headers: BTreeMap::new(),
        tls: Tls::default(),
        credentials,
    }
}

fn bearer(scheme: &str, token: &str) -> Credentials {
    Credentials::Bearer {
        token: Token::Given(token.to_owned().into()),
        scheme: scheme.to_owned(),
    }
}

/// A downloader of what may be `most` bytes long.
fn downloader(kind: Kind, most: u64) -> Downloader {
    Downloader::new(&Source {
        name: "authz".into(),
        kind,
        polling: Polling::default(),
        manual: false,
        persist: None,
        limits: Limits {
            archive_bytes: most,
            ..Limits::default()
        },
        verification: Arc::new(Verification::None),
        monotonic: None,
        run_tests: false,
        max_age: None,
    })
}

const MOST: u64 = 1 << 20;

/// A downloader from a registry.
fn from_registry(service: Service, reference: String) -> Downloader {
    let service = Arc::new(Service {
        oci: true,
        ..service
    });
    downloader(Kind::Oci { service, reference }, MOST)
}

async fn ask(
    downloader: &mut Downloader,
    validator: Option<&str>,
) -> Result<Download, DownloadError> {
    let ask = Ask {
        validator,
        delta: true,
        wait: None,
    };
    let asked = tokio::time::timeout(PATIENCE, downloader.download(ask));
    asked.await.unwrap()
}

/// Fails a test that would hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// What there is to download.
async fn archive(downloader: &mut Downloader, validator: Option<&str>) -> Archive {
    match ask(downloader, validator).await.unwrap() {
        Download::Archive(archive) => archive,
        Download::Unchanged { .. } => panic!("unchanged"),
    }
}

async fn is_unchanged(downloader: &mut Downloader, validator: &str) -> bool {
    let asked = ask(downloader, Some(validator)).await.unwrap();
    matches!(asked, Download::Unchanged { long_poll: false })
}

/// An error with its causes.
fn chain(error: &DownloadError) -> String {
    portcullis::chain::Chain(error).to_string()
}
