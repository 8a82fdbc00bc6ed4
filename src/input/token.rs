//! `jwt` and `jwt_error`: the verified token, or why there is none.
//!
//! What a token looks like to policies is put together once, when it is verified, and handed out by
//! reference after that. Unverified claims are not put into the input under any key.

use std::collections::BTreeMap;

use regorus::Value;

use super::{
    body::parse_json,
    jwt_authn,
    select::{Fields, text},
};
use crate::identity::jwt::{Document, JwtError, VerifiedToken};

/// What the document says of the caller's token.
pub type Token<'t> = Result<&'t TokenDocument, JwtError>;

/// A verified token as policies see it.
#[derive(Debug)]
pub struct TokenDocument {
    /// `input.jwt`.
    pub(super) jwt: Value,
    /// Its claims.
    pub(super) claims: Value,
    /// The metadata of Envoy's `jwt_authn`, where Envoy itself sent none.
    pub(super) jwt_authn: Value,
    size: usize,
}

impl Document for TokenDocument {
    fn of(token: &VerifiedToken) -> Option<Self> {
        let mut claims = parse_json(&token.claims).ok()?;
        for name in token.space_delimited.iter() {
            split_words(&mut claims, name);
        }
        let strings = |list: &[String]| list.iter().map(|s| text(s)).collect::<Vec<_>>();
        let mut jwt = Fields::default();
        let mut put = |key, value| drop(jwt.0.insert(text(key), value));
        put("provider", text(&token.provider));
        put("issuer", text(&token.issuer));
        put("audiences", Value::from(strings(&token.audiences)));
        put("header", parse_json(&token.header).ok()?);
        put("claims", claims.clone());
        if let Some(subject) = &token.subject {
            put("subject", text(subject));
        }
        if let Some(expires_at) = token.expires_at {
            put("expires_at", Value::from(expires_at));
        }
        Some(Self {
            jwt: jwt.into(),
            jwt_authn: jwt_authn::of_claims(&claims),
            claims,
            size: (token.claims.len().saturating_add(token.header.len()))
                .saturating_mul(SIZE_PER_BYTE),
        })
    }

    fn size(&self) -> usize {
        self.size
    }
}

/// `"a b"` becomes `["a", "b"]`, as Envoy's `space_delimited_claims` does.
fn split_words(claims: &mut Value, name: &str) {
    let Ok(claims) = claims.as_object_mut() else {
        return;
    };
    if let Some(claim) = claims.get_mut(&text(name))
        && let Value::String(words) = claim
    {
        let words: Vec<_> = words
            .split(' ')
            .filter(|w| !w.is_empty())
            .map(text)
            .collect();
        *claim = Value::from(words);
    }
}

/// The codes as finished values.
#[derive(Debug)]
pub(super) struct Codes(BTreeMap<&'static str, Value>);

impl Codes {
    pub(super) fn new() -> Self {
        let codes = JwtError::ALL.map(JwtError::as_str);
        Self(codes.map(|code| (code, text(code))).into())
    }

    /// The value of this code.
    pub(super) fn get(&self, error: JwtError) -> Value {
        let code = error.as_str();
        self.0.get(code).cloned().unwrap_or_else(|| text(code))
    }
}

/// What a byte of JSON takes as values, with what shares them.
const SIZE_PER_BYTE: usize = 8;
