//! What is kept of a check, and which decisions a filter finds.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    decision::Decision,
    filter::{Filter, InvalidFilter},
    proto, short,
};
use crate::{
    identity::{
        Xfcc,
        jwt::{Document as _, JwtError, Verified, VerifiedToken},
    },
    input::TokenDocument,
    outcome::{Answer, CheckError, Reason},
    policy::{Engine, Externals, Provenance},
    request::RequestView,
    telemetry::{DecisionId, Record, Recorded, RecordedToken, StageTimes, Trace},
};

/// A decision with nothing in it but its time.
pub(super) fn at(seconds: u64) -> Decision {
    Decision {
        at: Duration::from_secs(seconds),
        id: DecisionId::random(),
        answered: Answer::Denied,
        would: None,
        reason: Reason::Policy,
        duration: Duration::ZERO,
        caller: Box::default(),
        method: Box::default(),
        host: Box::default(),
        path: Box::default(),
        message: Box::default(),
        revision: Box::default(),
        provider: Box::default(),
        subject: Box::default(),
        token_error: "",
        trace: None,
        destination: Box::default(),
    }
}

/// A decision about a real request.
fn captured(name: &str, dry_run: bool) -> Decision {
    decided(name, dry_run, None)
}

fn decided(name: &str, dry_run: bool, token: Option<RecordedToken>) -> Decision {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/captures");
    let request = std::fs::read(format!("{folder}/{name}.pb")).unwrap();
    let record = Record {
        decision_id: DecisionId::random(),
        at: Duration::from_millis(1500),
        request: Bytes::from(request),
        outcome: Err(CheckError::Internal),
        dry_run,
        duration: Duration::from_micros(40),
        stages: StageTimes::default(),
        token,
        policy: Some(Arc::new(Provenance {
            revision: "r7".to_owned(),
            bundles: Vec::new(),
            entrypoint: String::new(),
            engine: Engine::Rvm,
        })),
        externals: Externals::default(),
        trace: Some(Trace {
            trace_id: [0xab; 16],
            span_id: [1; 8],
            parent: None,
            sampled: false,
        }),
        shed: None,
    };
    let request = RequestView::parse(&record.request);
    Decision::of(&Recorded::new(&record, &request, Xfcc::default()))
}

#[test]
fn what_is_kept_says_who_asked_for_what_and_how_it_ended() {
    let kept = captured("rich-headers-mtls-jwt-sni", false).message();
    assert_eq!(kept.outcome, "denied");
    assert_eq!(kept.reason, "internal");
    assert_eq!(kept.message, "internal error");
    assert_eq!(kept.would, "");
    assert!(kept.caller.starts_with("spiffe://"), "{kept:?}");
    assert!(
        kept.path.starts_with('/') && !kept.path.contains('?'),
        "{kept:?}"
    );
    assert_eq!(kept.policy_revision, "r7");
    assert_eq!(kept.trace_id, "ab".repeat(16));
    let time = kept.time.unwrap();
    assert_eq!((time.seconds, time.nanos), (1, 500_000_000));
    assert_eq!(kept.duration.unwrap().nanos, 40_000);
    let rehearsed = captured("rich-headers-mtls-jwt-sni", true).message();
    assert_eq!(
        (&*rehearsed.outcome, &*rehearsed.would),
        ("allowed", "denied")
    );
}

#[test]
fn a_token_is_named_by_its_subject_or_by_what_is_wrong_with_it() {
    let token = VerifiedToken {
        provider: "corp".into(),
        issuer: "https://issuer.example".into(),
        subject: Some("alice".into()),
        audiences: Vec::new(),
        expires_at: None,
        header: b"{}".to_vec(),
        claims: br#"{"sub": "alice", "card": "s3cret"}"#.to_vec(),
        space_delimited: Arc::default(),
    };
    let document = TokenDocument::of(&token).unwrap();
    let verified = Ok(Arc::new(Verified { token, document }));
    for (verified, subject, error) in [
        (verified, "alice", ""),
        (Err(JwtError::Expired), "", "expired"),
        (Err(JwtError::Missing), "", ""),
    ] {
        let token = RecordedToken {
            provider: Some("corp".into()),
            verified,
            cached: false,
        };
        let kept = decided("http1-mtls-get", false, Some(token)).message();
        assert_eq!((&*kept.token_subject, &*kept.token_error), (subject, error));
        assert_eq!(kept.token_provider, "corp");
        assert!(!format!("{kept:?}").contains("s3cret"));
    }
}

#[test]
fn nothing_kept_comes_from_a_header_a_query_or_a_body() {
    for name in [
        "http1-mtls-jwt",
        "http2-mtls-json-body",
        "rich-headers-plaintext-jwt",
    ] {
        let shown = format!("{:?}", captured(name, false).message());
        for secret in ["eyJ", "Bearer", "?", "user-agent", "curl"] {
            assert!(!shown.contains(secret), "{name}: {secret} in {shown}");
        }
    }
}

#[test]
fn the_size_counts_every_text() {
    let empty = at(0);
    let mut long = empty.clone();
    let ten = || Box::from("0123456789");
    (long.caller, long.method, long.host, long.path) = (ten(), ten(), ten(), ten());
    (long.message, long.revision, long.provider) = (ten(), ten(), ten());
    (long.subject, long.destination) = (ten(), ten());
    assert_eq!(long.size(), empty.size() + 90);
}

#[test]
fn a_caller_is_named_by_namespace_and_account_where_that_is_unambiguous() {
    for (caller, want) in [
        ("spiffe://cluster.local/ns/shop/sa/cart", "shop/cart"),
        ("spiffe://other.org/ns/shop/sa/cart", "other.org/shop/cart"),
        ("spiffe://cluster.local/vm/x", "spiffe://cluster.local/vm/x"),
        ("gateway.example.org", "gateway.example.org"),
        ("", ""),
    ] {
        assert_eq!(short(caller), want);
    }
}

fn shop() -> Decision {
    Decision {
        caller: "spiffe://cluster.local/ns/shop/sa/cart".into(),
        host: "api.example.org".into(),
        path: "/orders/7".into(),
        answered: Answer::Allowed,
        would: Some(Answer::Error),
        reason: Reason::Budget,
        ..at(0)
    }
}

#[test]
fn each_field_of_a_filter_finds_its_own_and_nothing_else() {
    type Set = fn(&mut proto::Filter, Vec<String>);
    let fields: [(Set, &[&str], &[&str]); 5] = [
        (|f, v| f.outcome = v, &["allowed", "error"], &["denied"]),
        (|f, v| f.reason = v, &["budget"], &["policy", "internal"]),
        (
            |f, v| f.caller = v,
            &[
                "spiffe://cluster.local/ns/shop/sa/cart",
                "shop/cart",
                "shop/*",
                "*",
            ],
            &["shop", "cart", "spiffe://cluster.local", "other/*", ""],
        ),
        (
            |f, v| f.path = v,
            &["/orders/7", "/orders/*"],
            &["/orders", "/ORDERS/7"],
        ),
        (
            |f, v| f.host = v,
            &["api.example.org", "*.example.org"],
            &["example.org", "api"],
        ),
    ];
    let matches = |set: Set, values: &[&str]| {
        let mut asked = proto::Filter::default();
        set(
            &mut asked,
            values.iter().map(|&text| text.to_owned()).collect(),
        );
        Filter::of(&asked).unwrap().matches(&shop())
    };
    for (set, right, wrong) in fields {
        for value in right {
            assert!(matches(set, &[value]), "{value}");
            assert!(matches(set, &[wrong[0], value]), "{value} is one of two");
        }
        for value in wrong {
            assert!(!matches(set, &[value]), "{value}");
        }
    }
}

#[test]
fn every_field_that_is_set_must_match() {
    let filter = |path: &str, host: &str| {
        let asked = proto::Filter {
            path: vec![path.to_owned()],
            host: vec![host.to_owned()],
            ..proto::Filter::default()
        };
        Filter::of(&asked).unwrap().matches(&shop())
    };
    assert!(filter("/orders/*", "api.*"));
    assert!(!filter("/orders/*", "www.*"));
    assert!(!filter("/carts/*", "api.*"));
    assert!(Filter::default().matches(&shop()));
}

#[test]
fn a_filter_that_means_nothing_or_too_much_is_refused() {
    let of = |asked: proto::Filter| Filter::of(&asked).unwrap_err();
    let outcome = vec!["ALLOWED".to_owned()];
    let reason = vec!["bad luck".to_owned()];
    let asked = proto::Filter::default;
    assert_eq!(
        of(proto::Filter { outcome, ..asked() }),
        InvalidFilter::Outcome("ALLOWED".to_owned())
    );
    assert_eq!(
        of(proto::Filter { reason, ..asked() }),
        InvalidFilter::Reason("bad luck".to_owned())
    );
    for (count, length, fits) in [(32, 1024, true), (33, 1, false), (1, 1025, false)] {
        let path = vec!["x".repeat(length); count];
        let filter = Filter::of(&proto::Filter { path, ..asked() });
        assert_eq!(filter.is_ok(), fits, "{count} {length}");
    }
}
