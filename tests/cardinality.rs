//! 100,000 checks over the line itself, with whatever callers may send, and not one series more. Alone in its process: it keeps every core
//! busy, and other tests look at the time.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/jwks.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod key_server;
#[path = "line/requests.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod requests;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::{collections::BTreeSet, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use http::HeaderMap;
use portcullis::{
    app::build::check_options,
    check::{Active, Call, Callers, CheckService, Knowledge, Tokens},
    clock::Clock,
    config::Config,
    identity::{
        Xfcc,
        jwt::{CacheOptions, KeySet, Options, Provider, ProviderKeys, SeveralTokens},
    },
    input,
    policy::{Policy, PolicyFile},
    snapshot::Snapshot,
    telemetry::{KeysFollowed, Metrics, decision_log::Sink},
};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tracing::{instrument::WithSubscriber as _, subscriber::NoSubscriber};

use crate::{
    key_server::keys::{Signer, key_set},
    support::knowledge,
};

const CHECKS: u32 = 100_000;
const ISSUER: &str = "https://id.example";

/// Some are allowed, some denied, for some it has no value or a wrong one.
const POLICY: &str = r#"package envoy.authz

allow if input.jwt.subject == "alice"

allow := false if endswith(input.attributes.request.http.path, "0")

allow := "perhaps" if endswith(input.attributes.request.http.path, "1")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_checks_of_any_kind_add_no_series() {
    let signer = Signer::ed25519("k1");
    let metrics = Metrics::new(Some(&[0.001])).with_decision_log(&Sink::ALL);
    let metrics = Arc::new(metrics);
    KeysFollowed {
        provider: "main",
        source: "here",
    }
    .emit(&metrics);
    let service = service(&signer, &metrics);
    let tokens = Arc::new([signer.token(&claims("alice")), signer.token(&claims("bob"))]);
    let before = series(&metrics);

    let mut workers = JoinSet::new();
    for _ in 0..4 {
        let (service, tokens) = (service.clone(), Arc::clone(&tokens));
        let asking = async move {
            let sample = requests::capture(requests::GET);
            for _ in 0..CHECKS / 4 {
                ask(&service, anything(sample.clone(), &tokens)).await;
            }
        };
        // The log of this process keeps every line in memory.
        workers.spawn(asking.with_subscriber(NoSubscriber::default()));
    }
    workers.join_all().await;

    assert_eq!(series(&metrics), before);
    let counted = |labels: &str| {
        let sample = format!("portcullis_checks_total{{{labels}}} ");
        let text = metrics.encode();
        let value = text.lines().find_map(|line| line.strip_prefix(&sample));
        value.unwrap().parse::<u32>().unwrap()
    };
    // Every way of the line was gone, and every check is counted.
    let ways = [
        r#"outcome="allowed",reason="policy""#,
        r#"outcome="denied",reason="policy""#,
        r#"outcome="denied",reason="undefined""#,
        r#"outcome="denied",reason="conflict""#,
        r#"outcome="denied",reason="malformed_decision""#,
        r#"outcome="denied",reason="request""#,
    ];
    let gone = ways.map(counted);
    assert!(gone.iter().all(|count| *count > 100), "{gone:?}");
    let slow = [
        r#"outcome="error",reason="budget""#,
        r#"outcome="error",reason="overload""#,
    ];
    let all: u32 = gone.into_iter().chain(slow.map(counted)).sum();
    assert_eq!(all, CHECKS);
}

/// The names of all series, with their labels, as a scrape has them.
fn series(metrics: &Metrics) -> BTreeSet<String> {
    let text = metrics.encode();
    let names = text.lines().filter_map(|line| line.rsplit_once(' '));
    names.map(|(name, _)| name.to_owned()).collect()
}

async fn ask(service: &CheckService, request: Vec<u8>) {
    let (metadata, now) = (HeaderMap::new(), service.now());
    let call = Call {
        metadata: &metadata,
        called: now,
        request: Bytes::from(request),
        arrived: now,
    };
    assert!(service.check(call).await.is_ok());
}

/// A check of nobody knows what, as wire bytes.
fn anything(mut request: CheckRequest, tokens: &[String; 2]) -> Vec<u8> {
    let random = || format!("{:x}", fastrand::u64(..));
    let attributes = request.attributes.as_mut().unwrap();
    let source = attributes.source.get_or_insert_default();
    source.principal = fastrand::choice([
        String::new(),
        random(),
        format!("spiffe://{}/ns/{}/sa/{}", random(), random(), random()),
    ])
    .unwrap();
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    http.path = format!(
        "/{}{}{}",
        random(),
        fastrand::choice(["?", "%zz", "/"]).unwrap(),
        random()
    );
    http.host = random();
    http.method = random();
    http.headers.insert(random(), random());
    let unknown_key = r#"{"alg":"EdDSA","kid":"%"}"#.replace('%', &random());
    let stranger = format!(r#"{{"iss":"{}"}}"#, random());
    let token = fastrand::choice([
        tokens[0].clone(),
        tokens[1].clone(),
        random(),
        unsigned(&unknown_key, &claims(&random()).to_string()),
        unsigned(
            r#"{"alg":"EdDSA","kid":"k1"}"#,
            &claims(&random()).to_string(),
        ),
        unsigned(&unknown_key, &stranger),
    ]);
    let bearer = format!("Bearer {}", token.unwrap());
    http.headers.insert("authorization".to_owned(), bearer);
    let mut bytes = request.encode_to_vec();
    if fastrand::u8(..) < 8 {
        bytes.truncate(fastrand::usize(..bytes.len()));
    }
    bytes
}

fn claims(subject: &str) -> Value {
    json!({"iss": ISSUER, "sub": subject, "exp": 4_102_444_800_u64})
}

fn unsigned(header: &str, claims: &str) -> String {
    let [header, claims] = [header, claims].map(|part| BASE64.encode(part));
    format!("{header}.{claims}.{}", BASE64.encode([7; 64]))
}

/// The line with a provider whose keys are there.
fn service(signer: &Signer, metrics: &Arc<Metrics>) -> CheckService {
    let tokens = Tokens::new(Options {
        providers: vec![Provider::new("main", ISSUER)],
        several_tokens: SeveralTokens::Refuse,
        cache: CacheOptions::default(),
    });
    let set = KeySet::parse(key_set(&[signer]).to_string().as_bytes()).unwrap();
    let keys = ProviderKeys {
        set: Some(Arc::new(set)),
        usable_until: None,
    };
    tokens.keys().set(0, keys);
    let config = Config::default();
    let file = PolicyFile {
        name: "policy.rego".to_owned(),
        data_path: Vec::new(),
        bytes: POLICY.as_bytes().to_vec(),
    };
    let policy = Policy::load(&[file], &config.load_options()).unwrap();
    let knowledge = Knowledge {
        callers: Arc::new(Callers {
            tokens,
            xfcc: Xfcc::Ignored,
        }),
        ..knowledge(
            Snapshot::of(Active::new(policy, &input::Options::default())),
            metrics,
        )
    };
    let metrics = Arc::clone(metrics);
    CheckService::new(knowledge, check_options(&config), metrics, Clock::System)
}
