//! The ways to a collector: gRPC and HTTP, in plaintext, with TLS and with mTLS.

use std::{path::Path, sync::atomic::Ordering::SeqCst, time::Duration};

use http::{HeaderMap, HeaderValue};
use portcullis::{
    redact::Secret,
    traces::otlp::{Options, Protocol, Tls},
};
use tempfile::TempDir;

use crate::{
    certificates::Authority,
    collector::{Collector, Does, Encrypted, believing},
    gate::{Gate, PATIENCE},
};

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

/// Whether the spans of one check arrive.
async fn arrives(collector: &Collector, change: impl FnOnce(&mut Options)) -> bool {
    arrives_within(PATIENCE, collector, change).await
}

/// Whether they do not, though it is tried more than once.
async fn never_arrives(collector: &Collector, change: impl FnOnce(&mut Options)) -> bool {
    !arrives_within(Duration::from_millis(500), collector, change).await
}

async fn arrives_within(
    time: Duration,
    collector: &Collector,
    change: impl FnOnce(&mut Options),
) -> bool {
    let mut options = collector.options();
    options.batch.timeout = time;
    change(&mut options);
    let gate = Gate::new(options, 1.0);
    assert!(gate.check("/open", &[]).await);
    let before = collector.spans().len();
    let [exported, full, failed] = gate.finish(PATIENCE).await;
    assert_eq!((exported + failed, full), (6, 0));
    assert_eq!(collector.spans().len() - before, exported);
    exported > 0
}

fn identity(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    (folder.join("tls.crt"), folder.join("tls.key"))
}

#[tokio::test]
async fn spans_arrive_in_plaintext_with_headers_and_compressed_or_not() {
    for protocol in PROTOCOLS {
        let collector = Collector::start(protocol, Does::Takes).await;
        for gzip in [false, true] {
            let mut value = HeaderValue::from_static("key-7");
            value.set_sensitive(true);
            let headers = HeaderMap::from_iter([("x-tenant".parse().unwrap(), value)]);
            let sent = arrives(&collector, |options| {
                options.gzip = gzip;
                options.headers = Secret::new(headers);
            });
            assert!(sent.await, "{protocol:?} {gzip}");
        }
        assert_eq!(collector.got.calls.load(SeqCst), 2);
        for headers in collector.got.headers.lock().unwrap().iter() {
            assert_eq!(headers["x-tenant"], "key-7");
        }
    }
}

#[tokio::test]
async fn a_collector_with_tls_is_believed_by_its_authority_or_by_configuration_alone() {
    for protocol in PROTOCOLS {
        let folder = TempDir::new().unwrap();
        let authority = Authority::new("collectors");
        let tls = Encrypted {
            leaf: authority.server(),
            clients: None,
        };
        let collector = Collector::with(protocol, Does::Takes, Some(tls)).await;
        let with = |tls: Option<Tls>| move |options: &mut Options| options.tls = tls;
        let right = believing(&authority, folder.path());
        assert!(arrives(&collector, with(Some(right))).await, "{protocol:?}");
        let wrong = believing(&Authority::new("others"), folder.path());
        assert!(
            never_arrives(&collector, with(Some(wrong))).await,
            "{protocol:?}"
        );
        let insecure = Tls {
            insecure: true,
            ..Tls::default()
        };
        assert!(
            arrives(&collector, with(Some(insecure))).await,
            "{protocol:?}"
        );
        assert!(never_arrives(&collector, with(None)).await, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_collector_with_mtls_takes_from_who_has_a_certificate_and_from_nobody_else() {
    for protocol in PROTOCOLS {
        let folder = TempDir::new().unwrap();
        let authority = Authority::new("collectors");
        let clients = Authority::new("gates");
        clients
            .workload("spiffe://cluster.local/ns/authz/sa/gate")
            .write(folder.path());
        let believing = believing(&authority, folder.path());
        let tls = Encrypted {
            leaf: authority.server(),
            clients: Some(clients),
        };
        let collector = Collector::with(protocol, Does::Takes, Some(tls)).await;
        let known = Tls {
            identity: Some(identity(folder.path())),
            ..believing.clone()
        };
        let with = |tls: &Tls| {
            let tls = Some(tls.clone());
            move |options: &mut Options| options.tls = tls
        };
        assert!(arrives(&collector, with(&known)).await, "{protocol:?}");
        assert!(
            never_arrives(&collector, with(&believing)).await,
            "{protocol:?}"
        );
        // Another authority's certificate, in the same files.
        let stranger = Authority::new("strangers");
        stranger
            .workload("spiffe://cluster.local/ns/authz/sa/gate")
            .write(folder.path());
        assert!(
            never_arrives(&collector, with(&known)).await,
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn certificates_that_are_replaced_are_used_without_a_restart() {
    for protocol in PROTOCOLS {
        let folder = TempDir::new().unwrap();
        let authority = Authority::new("collectors");
        let tls = Encrypted {
            leaf: authority.server(),
            clients: None,
        };
        let collector = Collector::with(protocol, Does::Takes, Some(tls)).await;
        let mut options = collector.options();
        options.tls = Some(believing(&Authority::new("others"), folder.path()));
        let gate = Gate::new(options, 1.0);
        assert!(gate.check("/open", &[]).await);
        // It is tried again and again: the right authority is there in the end.
        believing(&authority, folder.path());
        assert_eq!(gate.finish(PATIENCE).await, [6, 0, 0], "{protocol:?}");
    }
}
