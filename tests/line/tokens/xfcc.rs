//! `portcullis.identity.xfcc`: when a header names the caller.

use std::sync::atomic::{AtomicU32, Ordering};

use prost::Message as _;
use serde_json::Value;

use super::{serving, set};
use crate::{
    failures::{code, decision_id},
    log,
    requests::{self, GET},
    server::Server,
};

const ALICE: &str = "spiffe://cluster.local/ns/foo/sa/alice";
const EVIL: &str = "spiffe://cluster.local/ns/evil/sa/root";
const MISSING: &str = "portcullis_principal_missing_total";

/// Allows where each of the three places that name the caller says the same.
const NAMED: &str = r#"package envoy.authz

default allow := false

allow if {
	input.source.spiffe.namespace == "foo"
	input.source.spiffe.id == input.source_principal
	input.attributes.source.principal == input.source_principal
}
"#;

async fn server(xfcc: &str) -> Server {
    let xfcc = format!("portcullis.identity.xfcc={xfcc}");
    serving(NAMED, &[set(&[&xfcc])]).await
}

/// A GET of this principal with this header.
fn request(principal: &str, header: &str) -> Vec<u8> {
    let mut request = requests::capture(GET);
    let attributes = request.attributes.as_mut().unwrap();
    principal.clone_into(&mut attributes.source.as_mut().unwrap().principal);
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    http.headers
        .insert("x-forwarded-client-cert".to_owned(), header.to_owned());
    request.encode_to_vec()
}

/// What the waypoint writes about `caller`.
fn element(caller: &str) -> String {
    format!("By=spiffe://cluster.local/ns/istio-system/sa/waypoint;URI={caller}")
}

/// Whom the log names as the caller, and whether it was let through.
async fn named(server: &Server, principal: &str, header: &str) -> (Value, bool) {
    let answer = server.check(&request(principal, header)).await;
    let line = log::of_check(&decision_id(&answer));
    (line["peer.id"].clone(), code(&answer) == 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_element_names_the_caller_where_the_header_is_trusted() {
    let server = server("trusted").await;
    for header in [
        element(ALICE),
        format!("{},{}", element(EVIL), element(ALICE)),
        format!("URI={EVIL}, {}", element(ALICE)),
        format!("{};Hash=ab;Subject=\"CN=a,URI={EVIL}\"", element(ALICE)),
    ] {
        let named = named(&server, "", &header).await;
        assert_eq!(named, (ALICE.into(), true), "{header}");
    }
    for header in [
        element(EVIL),
        format!("{},{}", element(ALICE), element(EVIL)),
    ] {
        let named = named(&server, "", &header).await;
        assert_eq!(named, (EVIL.into(), false), "{header}");
    }
    assert_eq!(server.metric(MISSING).await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_not_whole_names_nobody() {
    let server = server("trusted").await;
    let ours = element(ALICE);
    let headers: [String; 11] = [
        String::new(),
        ",".to_owned(),
        format!("{ours},"),
        format!("{ours};URI={ALICE}"),
        format!("{ours};Evil=1"),
        format!("\",{ours}"),
        format!("{ours};Subject=\"CN=a"),
        ours.replace("URI=", "Hash="),
        element("http://cluster.local/ns/foo/sa/alice"),
        element("spiffe://cluster.local/ns/foo/../foo/sa/alice"),
        format!("{ours},By=x"),
    ];
    for header in &headers {
        let named = named(&server, "", header).await;
        assert_eq!(named, (Value::Null, false), "{header}");
    }
    let missing = server.metric(MISSING).await.unwrap();
    assert!((missing - 11.0).abs() < 0.5, "{missing}");
    assert_eq!(named(&server, "", &ours).await, (ALICE.into(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_of_mtls_wins_over_the_header() {
    for xfcc in ["trusted", "ignored"] {
        let server = server(xfcc).await;
        for (principal, header, expected) in [
            (ALICE, EVIL, (ALICE.into(), true)),
            (EVIL, ALICE, (EVIL.into(), false)),
            ("DNS:alice", ALICE, ("DNS:alice".into(), false)),
        ] {
            let named = named(&server, principal, &element(header)).await;
            assert_eq!(named, expected, "{xfcc} {principal}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_not_trusted_names_nobody() {
    for set_to in [&[][..], &["portcullis.identity.xfcc=ignored"]] {
        let server = serving(NAMED, &[set(set_to)]).await;
        let named = named(&server, "", &element(ALICE)).await;
        assert_eq!(named, (Value::Null, false));
        assert_eq!(server.metric(MISSING).await, Some(1.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_without_a_principal_are_told_of_now_and_then() {
    static HOSTS: AtomicU32 = AtomicU32::new(0);
    let host = format!("host-{}.example", HOSTS.fetch_add(1, Ordering::SeqCst));
    let server = server("ignored").await;
    for _ in 0..100 {
        let mut request = requests::capture(GET);
        let attributes = request.attributes.as_mut().unwrap();
        attributes.source.as_mut().unwrap().principal = String::new();
        let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
        host.clone_into(&mut http.host);
        server.check(&request.encode_to_vec()).await;
    }
    assert_eq!(server.metric(MISSING).await, Some(100.0));
    let message = "caller without a principal; in an ambient waypoint see portcullis.identity.xfcc";
    let lines = log::saying(message, "http.host", &host);
    let counts: Vec<_> = lines.iter().map(|line| line["callers"].clone()).collect();
    assert_eq!(counts, [1, 2, 4, 8, 16, 32, 64]);
}
