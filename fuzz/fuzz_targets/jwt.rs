//! Any text as a token: never a panic, and verified only if it is the one good token. Two lines are
//! the header and the claims of a token that is signed: verified only if they say what they must.
#![no_main]

use std::sync::{Arc, LazyLock};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use libfuzzer_sys::fuzz_target;
use portcullis::{
    check::Tokens,
    clock::Clock,
    identity::{
        jose::Algorithm,
        jwt::{KeySet, Location, OnFailure, Options, Provider, ProviderKeys},
    },
    request::RequestView,
};
use portcullis_fuzz::with_header;
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example";

/// The same in every run, so that a corpus keeps its worth.
static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes"));

static GOOD: LazyLock<String> = LazyLock::new(|| {
    let claims = json!({"iss": ISSUER, "sub": "a", "aud": ["x", "y"], "exp": 99_999_999_999_u64});
    signed(r#"{"alg":"EdDSA","kid":"k"}"#, &claims.to_string())
});

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let provider = Provider {
        name: "main".into(),
        issuer: ISSUER.into(),
        audiences: Vec::new(),
        algorithms: vec![Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256],
        secret: None,
        locations: vec![Location::bearer()],
        clock_skew: std::time::Duration::ZERO,
        max_lifetime: None,
        require_exp: true,
        required_claims: Vec::new(),
        typ: None,
        space_delimited_claims: Arc::from(["scope".to_owned()]),
        on_missing: OnFailure::Policy,
        on_invalid: OnFailure::Policy,
        strip_on_allow: true,
        wait_for_key: std::time::Duration::ZERO,
        min_refresh: std::time::Duration::from_secs(10),
    };
    let tokens = Tokens::new(Options {
        providers: vec![provider],
        ..Options::default()
    });
    let x = BASE64.encode(KEY.public_key());
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k"}]});
    let set = KeySet::parse(set.to_string().as_bytes()).expect("a key set");
    assert_eq!(set.len(), 1);
    let keys = ProviderKeys {
        set: Some(Arc::new(set)),
        usable_until: None,
    };
    tokens.keys().set(0, keys);
    assert!(verifies(&tokens, &GOOD), "the good token verifies");
    tokens
});

fn signed(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let signature = BASE64.encode(KEY.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn verifies(tokens: &Tokens, token: &str) -> bool {
    let request = with_header("", "authorization", &format!("Bearer {token}"));
    let view = RequestView::parse(&request).expect("a request");
    let now = Clock::System.now();
    let first = tokens.present(&view, now).token.map(|_| ());
    let again = tokens.present(&view, now).token.map(|_| ());
    assert_eq!(first, again, "what is remembered differs");
    first.is_ok()
}

fuzz_target!(|text: &str| {
    // Commas part the values of a header, and values may be empty.
    let token = text.trim_matches(|c: char| c == ',' || c.is_ascii_whitespace());
    assert!(!verifies(&TOKENS, text) || token == *GOOD, "{text} verifies");
    if let Some((header, claims)) = text.split_once('\n')
        && verifies(&TOKENS, &signed(header, claims))
    {
        let [header, claims] =
            [header, claims].map(|part| serde_json::from_str::<Value>(part).expect("JSON"));
        assert_eq!(header["alg"], "EdDSA");
        assert!(header.get("kid").is_none_or(|kid| kid == "k"));
        assert_eq!(claims["iss"], ISSUER);
        assert!(claims["exp"].is_number());
    }
});
