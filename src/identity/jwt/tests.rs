//! Tokens of an issuer of our own, good and bad, put before the verifier.

mod claims;
mod failure;
mod header;
mod issuer;
mod keys;
mod places;
mod refresh;
mod remembered;
mod shape;

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use super::*;
use crate::{
    clock::Now,
    identity::jose::Algorithm,
    redact::Secret,
    request::{Attributes, Http, Request, RequestView},
};
use issuer::{Kind, SECRET, sign, token};

const ISSUER: &str = "https://issuer.example";
/// The time of most tests, in seconds since the Unix epoch.
const NOW: u64 = 1_700_000_000;

/// What the tests make of a token: its claims as text, unless they say that they cannot be shown.
#[derive(Debug)]
struct Shown(String);

impl Document for Shown {
    fn of(token: &VerifiedToken) -> Option<Self> {
        let claims = String::from_utf8(token.claims.clone()).ok()?;
        (!claims.contains("unshowable")).then_some(Self(claims))
    }

    fn size(&self) -> usize {
        self.0.len()
    }
}

fn provider() -> Provider {
    Provider::new("main", ISSUER)
}

fn symmetric() -> Provider {
    Provider {
        algorithms: vec![Algorithm::Hs256],
        secret: Some(Secret::new(SECRET.to_vec())),
        ..provider()
    }
}

/// Time that stands at [`NOW`] plus so many seconds, on both clocks.
fn at(seconds: u64) -> Now {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let passed = Duration::from_secs(seconds);
    Now {
        unix: Duration::from_secs(NOW).saturating_add(passed),
        instant: START.checked_add(passed).unwrap(),
    }
}

/// A verifier whose providers all have the issuer's keys.
fn verifier(providers: Vec<Provider>) -> Verifier<Shown> {
    with_options(Options {
        providers,
        ..Options::default()
    })
}

fn with_options(options: Options) -> Verifier<Shown> {
    let verifier = Verifier::new(options);
    for at in 0..verifier.providers().len() {
        publish(&verifier, at, &issuer::key_set());
    }
    verifier
}

fn publish(verifier: &Verifier<Shown>, at: usize, set: &str) {
    let set = KeySet::parse(set.as_bytes()).unwrap();
    verifier.keys().set(
        at,
        ProviderKeys {
            set: Some(Arc::new(set)),
            usable_until: None,
        },
    );
}

fn request<'a>(path: &'a str, headers: &[(&'a str, &'a str)]) -> RequestView<'a> {
    RequestView {
        attributes: Some(Attributes {
            request: Some(Request {
                http: Some(Http::for_tests(path, headers)),
                ..Request::default()
            }),
            ..Attributes::default()
        }),
    }
}

fn present<'v>(verifier: &'v Verifier<Shown>, token: &str, now: Now) -> Presented<'v, Shown> {
    let bearer = format!("Bearer {token}");
    verifier.present(&request("/", &[("authorization", &bearer)]), now)
}

/// The code of a token, computed and not remembered.
fn code(provider: Provider, token: &str) -> Result<(), JwtError> {
    code_at(provider, token, at(0))
}

fn code_at(provider: Provider, token: &str, now: Now) -> Result<(), JwtError> {
    present(&verifier(vec![provider]), token, now)
        .token
        .map(drop)
}

/// A token with good claims and these instead: each a name and its JSON.
fn claims(changes: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("iss", format!("{ISSUER:?}")),
        ("sub", r#""alice""#.to_owned()),
        ("exp", (NOW + 300).to_string()),
    ];
    for (name, json) in changes {
        all.retain(|(known, _)| known != name);
        all.push((name, (*json).to_owned()));
    }
    let members: Vec<_> = all
        .iter()
        .filter(|(_, json)| json != ABSENT)
        .map(|(name, json)| format!("{name:?}:{json}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Instead of a claim's JSON: the claim is left out.
const ABSENT: &str = "absent";

/// A good token with these claims instead.
fn token_with(changes: &[(&str, &str)]) -> String {
    token(
        Kind::Ed25519,
        r#"{"alg":"EdDSA","kid":"ed"}"#,
        &claims(changes),
    )
}
