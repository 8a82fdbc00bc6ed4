//! What tokens cost on the line of a check: a remembered one beside none, and a new one by algorithm.
//! The answer is asserted inside every loop.
//!
//! `cargo bench --bench token` prints medians of interleaved pairs, which is what to trust on a noisy
//! machine.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::unreachable,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking and prints what it found"
)]

#[path = "../tests/support/keys.rs"]
#[expect(dead_code, reason = "measures with some of what the tests need")]
mod keys;

use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use keys::{Signer, key_set};
use portcullis::{
    check::{Active, Callers, Tokens, budget, decide},
    clock::Clock,
    decision::Decision,
    identity::{
        Xfcc,
        jose::Algorithm,
        jwt::{
            CacheOptions, KeySet, Location, OnFailure, Options, Provider, ProviderKeys,
            SeveralTokens,
        },
    },
    input,
    policy::{Entrypoint, LoadOptions, Policy, PolicyFile},
    request::RequestView,
    response::{self, Reply, respond},
};
use prost::Message;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DECISION_ID: &str = "7a1d1d3e-95c4-4a2a-9d0b-0c9b0f6f6c11";

/// Long enough that a busy machine changes no answer.
const PATIENT: budget::Options = budget::Options {
    budget: Duration::from_mins(1),
    reply_margin: Duration::ZERO,
    instructions: 10_000_000,
};

/// One check, again and again.
struct Case<'a> {
    name: &'static str,
    active: &'a Active,
    callers: &'a Callers,
    request: Vec<u8>,
    allowed: bool,
}

impl Case<'_> {
    fn run(&self) {
        let mut budget = budget::Budget::offline(&PATIENT, Clock::System);
        let request = RequestView::parse(&self.request).unwrap();
        let outcome = decide(self.active, self.callers, &request, &mut budget).outcome;
        assert_eq!(matches!(outcome, Ok(Decision::Allow(_))), self.allowed);
        let Reply::Response(bytes) = respond(&outcome, DECISION_ID, &response::Options::default())
        else {
            unreachable!("the default never answers with a gRPC error");
        };
        black_box(bytes);
    }
}

fn provider() -> Provider {
    Provider {
        name: "bench".into(),
        issuer: ISSUER.into(),
        audiences: vec!["orders".to_owned()],
        algorithms: Algorithm::ALL
            .into_iter()
            .filter(|algorithm| !algorithm.is_symmetric())
            .collect(),
        secret: None,
        locations: vec![Location::bearer()],
        clock_skew: Duration::from_secs(30),
        max_lifetime: None,
        require_exp: true,
        required_claims: Vec::new(),
        typ: None,
        space_delimited_claims: Arc::default(),
        on_missing: OnFailure::Policy,
        on_invalid: OnFailure::Policy,
        strip_on_allow: false,
        wait_for_key: Duration::ZERO,
        min_refresh: Duration::from_secs(10),
    }
}

/// Callers of `signer`, whose tokens are remembered or not.
fn callers(signer: &Signer, remembered: bool) -> Callers {
    let tokens = Tokens::new(Options {
        providers: vec![provider()],
        several_tokens: SeveralTokens::Refuse,
        cache: CacheOptions {
            max_entries: if remembered { 50_000 } else { 0 },
            ..CacheOptions::default()
        },
    });
    let set = KeySet::parse(key_set(&[signer]).to_string().as_bytes()).unwrap();
    let keys = ProviderKeys {
        set: Some(Arc::new(set)),
        usable_until: None,
    };
    tokens.keys().set(0, keys);
    Callers {
        tokens,
        xfcc: Xfcc::Ignored,
    }
}

/// Claims as an identity provider writes them; the token of an RSA key has about 900 bytes.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "f9d3a1c2-7f0e-4a53-9d52-0b1b6f2b8a10", "aud": ["orders", "account"],
        "exp": 4_102_444_800_u64, "iat": 1_700_000_000, "jti": "4e0c1f9a-90a2-4a0e-8b86-4cbb6a1a7c11",
        "typ": "Bearer", "azp": "shop-frontend", "scope": "openid orders:read orders:write",
        "realm_access": {"roles": ["customer", "offline_access"]}, "email_verified": true,
        "preferred_username": "alice", "tier": "premium",
    })
}

fn active(rego: &str) -> Active {
    let file = PolicyFile {
        name: "policy.rego".to_owned(),
        data_path: Vec::new(),
        bytes: rego.as_bytes().to_vec(),
    };
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    Active::new(
        Policy::load(&[file], &options).unwrap(),
        &input::Options::default(),
    )
}

/// The capture, with this token if there is one.
fn request(token: Option<&str>) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/captures/rich-headers-mtls-jwt-sni.pb");
    let bytes = std::fs::read(path).unwrap();
    let mut request = CheckRequest::decode(bytes.as_slice()).unwrap();
    let attributes = request.attributes.as_mut().unwrap();
    // As in Istio, where no filter has verified anything yet.
    attributes.metadata_context = None;
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    match token {
        Some(token) => http
            .headers
            .insert("authorization".to_owned(), format!("Bearer {token}")),
        None => http.headers.remove("authorization"),
    };
    request.encode_to_vec()
}

/// Nanoseconds a call, over one batch.
fn batch(calls: u32, run: impl Fn()) -> f64 {
    let began = Instant::now();
    for _ in 0..calls {
        run();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// Interleaves batches of both sides, so that a disturbance hits a pair and not one side.
fn compare(case: &Case<'_>, base: &Case<'_>, calls: u32) {
    let mut pairs: Vec<(f64, f64)> = (0..61)
        .map(|_| (batch(calls, || case.run()), batch(calls, || base.run())))
        .collect();
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (with, without) = pairs[pairs.len() / 2];
    println!(
        "{:<34} {with:>7.0} ns   {:<22} {without:>6.0} ns   ratio {:.2}   difference {:.0} ns",
        case.name,
        base.name,
        with / without,
        with - without,
    );
}

fn main() {
    let quick = std::env::args().any(|arg| arg == "--test");
    let calls = |calls: u32| if quick { 1 } else { calls };
    let rsa = Signer::rs256("k1");
    let remembering = callers(&rsa, true);
    let token = rsa.token(&claims());
    println!(
        "an RS256 token of {} bytes; medians of 61 interleaved pairs",
        token.len()
    );
    for (name, rego) in POLICIES {
        let active = active(rego);
        let check = |name, request, allowed| Case {
            name,
            active: &active,
            callers: &remembering,
            request,
            allowed,
        };
        let with = check(name, request(Some(&token)), true);
        let without = check("without a token", request(None), name.starts_with("either"));
        compare(&with, &without, calls(1_000));
    }
    let active = active(POLICIES[0].1);
    let remembered = Case {
        name: "remembered",
        active: &active,
        callers: &remembering,
        request: request(Some(&token)),
        allowed: true,
    };
    for (name, signer) in [
        ("RS256, not remembered", rsa),
        ("ES256, not remembered", Signer::es256("k1")),
        ("EdDSA, not remembered", Signer::ed25519("k1")),
    ] {
        let forgetful = callers(&signer, false);
        let fresh = Case {
            name,
            active: &active,
            callers: &forgetful,
            request: request(Some(&signer.token(&claims()))),
            allowed: true,
        };
        compare(&fresh, &remembered, calls(200));
    }
}

const ISSUER: &str = "https://id.example.com/realms/shop";

/// By name: the claim decides, as published; the claim decides; the claim or the method decides.
const POLICIES: [(&str, &str); 3] = [
    (
        "published skeleton, RS256",
        r#"package envoy.authz
default allow := false
allow if {
  input.attributes.source.principal == "spiffe://cluster.local/ns/foo/sa/sleep"
  claims := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields
  claims["tier"] == "premium"
}
"#,
    ),
    (
        "input.jwt, RS256",
        r#"package envoy.authz
default allow := false
allow if {
  input.source.spiffe.namespace == "foo"
  input.jwt.claims.tier == "premium"
}
"#,
    ),
    (
        "either a claim or a method, RS256",
        r#"package envoy.authz
default allow := false
allow if input.jwt.claims.tier == "premium"
allow if {
  input.source.spiffe.namespace == "foo"
  input.attributes.request.http.method in {"GET", "POST"}
}
"#,
    ),
];
