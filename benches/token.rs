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

#[path = "line/one_check.rs"]
mod one_check;

use std::{path::Path, sync::Arc};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use keys::{Signer, key_set};
use one_check::active;
use portcullis::{
    check::{Active, Callers, Tokens},
    identity::{
        Xfcc,
        jwt::{CacheOptions, KeySet, Options, Provider, ProviderKeys, SeveralTokens},
    },
};
use prost::Message;
use serde_json::{Value, json};

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
        one_check::run(self.active, self.callers, &self.request, self.allowed);
    }
}

fn provider() -> Provider {
    Provider {
        audiences: vec!["orders".to_owned()],
        ..Provider::new("bench", ISSUER)
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

fn compare(case: &Case<'_>, base: &Case<'_>, calls: u32) {
    let (with, without) = one_check::pair(calls, || case.run(), || base.run());
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
