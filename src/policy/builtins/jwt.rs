//! `io.jwt.*` as the reference has it, for policies that verify tokens themselves.
//!
//! Promises: no input panics; a key is used with the algorithms of its own type only; tokens, key
//! texts and the number of keys are bounded. Parsed keys and good signatures are kept from one check
//! to the next, in caches of bounded size, and nothing that depends on the time is. A signature that
//! is not good is not remembered: who sends garbage pays for it every time and takes no one's place.

mod constraints;
mod error;
mod keys;
mod sign;
mod token;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use moka::sync::Cache;
use regorus::Value;

use crate::clock::Clock;
use crate::digest::{self, Digest};
use crate::identity::jose::{Algorithm, VerifyingKey};
use constraints::{Constraints, Trust};
pub(super) use error::JwtError;
use keys::KeyList;
use token::Token;

/// A function of `io.jwt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Decode,
    DecodeVerify,
    Verify(Algorithm),
    EncodeSign,
    EncodeSignRaw,
}

/// The functions with their names and numbers of arguments.
pub(super) const FUNCTIONS: &[(&str, u8, Function)] = &[
    ("io.jwt.decode", 1, Function::Decode),
    ("io.jwt.decode_verify", 2, Function::DecodeVerify),
    ("io.jwt.encode_sign", 3, Function::EncodeSign),
    ("io.jwt.encode_sign_raw", 3, Function::EncodeSignRaw),
    ("io.jwt.verify_eddsa", 2, Function::Verify(Algorithm::EdDsa)),
    ("io.jwt.verify_es256", 2, Function::Verify(Algorithm::Es256)),
    ("io.jwt.verify_es384", 2, Function::Verify(Algorithm::Es384)),
    ("io.jwt.verify_es512", 2, Function::Verify(Algorithm::Es512)),
    ("io.jwt.verify_hs256", 2, Function::Verify(Algorithm::Hs256)),
    ("io.jwt.verify_hs384", 2, Function::Verify(Algorithm::Hs384)),
    ("io.jwt.verify_hs512", 2, Function::Verify(Algorithm::Hs512)),
    ("io.jwt.verify_ps256", 2, Function::Verify(Algorithm::Ps256)),
    ("io.jwt.verify_ps384", 2, Function::Verify(Algorithm::Ps384)),
    ("io.jwt.verify_ps512", 2, Function::Verify(Algorithm::Ps512)),
    ("io.jwt.verify_rs256", 2, Function::Verify(Algorithm::Rs256)),
    ("io.jwt.verify_rs384", 2, Function::Verify(Algorithm::Rs384)),
    ("io.jwt.verify_rs512", 2, Function::Verify(Algorithm::Rs512)),
];

/// What the functions of one policy share.
#[derive(Debug)]
pub(super) struct Jwt {
    clock: Clock,
    /// By the digest of their text.
    keys: Cache<Digest, Arc<KeyList>>,
    /// The digests of function, key text and token whose signature is good.
    good: Cache<Digest, ()>,
}

impl Jwt {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            keys: Cache::new(MAX_KEY_TEXTS),
            good: Cache::new(MAX_GOOD),
        }
    }

    /// Calls `function`; an error is what Rego calls a built-in error.
    pub(super) fn call(&self, function: Function, arguments: &[Value]) -> Result<Value, JwtError> {
        match (function, arguments) {
            (Function::Decode, [token]) => decode(text(token, "token")?),
            (Function::DecodeVerify, [token, constraints]) => {
                self.decode_verify(text(token, "token")?, constraints)
            }
            (Function::Verify(algorithm), [token, key]) => {
                let (token, key) = (text(token, "token")?, text(key, "key")?);
                Ok(Value::from(self.verify(algorithm, token, key)?))
            }
            (Function::EncodeSign, [header, payload, key]) => sign::encode(header, payload, key),
            (Function::EncodeSignRaw, [header, payload, key]) => sign::encode_raw(
                text(header, "header")?,
                text(payload, "payload")?,
                text(key, "key")?,
            ),
            (
                Function::Decode
                | Function::DecodeVerify
                | Function::Verify(_)
                | Function::EncodeSign
                | Function::EncodeSignRaw,
                _,
            ) => Err(JwtError::Arguments(arguments.len())),
        }
    }

    /// Whether the signature of `token` is one of `algorithm`, whatever its header says.
    fn verify(&self, algorithm: Algorithm, token: &str, key: &str) -> Result<bool, JwtError> {
        if algorithm.is_symmetric() {
            let token = Token::parse(token)?;
            let key = VerifyingKey::from_secret(key.as_bytes());
            return Ok(token.is_signed_by(&key, algorithm));
        }
        let name = algorithm.as_str();
        self.remembered(name, key, token, |keys| {
            let token = Token::parse(token)?;
            let fields = token.fields()?;
            keys.any(&fields, |key| token.is_signed_by(key, algorithm))
        })
    }

    /// `[true, header, payload]`, or `[false, {}, {}]` of a token that does not meet `constraints`.
    fn decode_verify(&self, text: &str, constraints: &Value) -> Result<Value, JwtError> {
        let constraints = Constraints::read(constraints)?;
        if let Trust::Keys(keys) = constraints.trust {
            // Keys that cannot be read are an error, whatever the token.
            self.keys(keys)?;
        }
        let mut text = text.to_owned();
        let (header, payload) = loop {
            let token = Token::parse(&text)?;
            let fields = token.fields()?;
            let Some(name) = fields.alg.filter(|_| fields.is_understood()) else {
                return Ok(refused());
            };
            let allowed = constraints.algorithm.is_none_or(|only| only == name);
            let Some(algorithm) = Algorithm::parse(name).filter(|_| allowed) else {
                return Ok(refused());
            };
            let good = match constraints.trust {
                Trust::Secret(secret) => {
                    let key = VerifyingKey::from_secret(secret.as_bytes());
                    token.is_signed_by(&key, algorithm)
                }
                Trust::Keys(keys) => self.remembered("decode_verify", keys, &text, |keys| {
                    keys.any(&fields, |key| token.is_signed_by(key, algorithm))
                })?,
            };
            if !good {
                return Ok(refused());
            }
            if !fields
                .cty
                .is_some_and(|cty| cty.eq_ignore_ascii_case("JWT"))
            {
                break (token.header.clone(), token.payload()?);
            }
            text = token.nested()?.to_owned();
        };
        if !constraints.hold(&payload, self.clock)? {
            return Ok(refused());
        }
        Ok(Value::from(vec![Value::from(true), header, payload]))
    }

    /// The answer of `verify`, remembered if it is `true`. It must depend on `function`, the key
    /// text and the token alone.
    fn remembered(
        &self,
        function: &str,
        keys: &str,
        token: &str,
        verify: impl FnOnce(&KeyList) -> Result<bool, JwtError>,
    ) -> Result<bool, JwtError> {
        let parsed = self.keys(keys)?;
        let name = digest::of_parts([function.as_bytes(), parsed.digest(), token.as_bytes()]);
        if self.good.get(&name).is_some() {
            return Ok(true);
        }
        let good = verify(&parsed)?;
        if good {
            self.good.insert(name, ());
        }
        Ok(good)
    }

    /// The keys that `text` holds, parsed once.
    fn keys(&self, text: &str) -> Result<Arc<KeyList>, JwtError> {
        let digest = digest::of_parts([b"keys", text.as_bytes()]);
        if let Some(keys) = self.keys.get(&digest) {
            return Ok(keys);
        }
        let keys = Arc::new(KeyList::parse(text, digest)?);
        self.keys.insert(digest, Arc::clone(&keys));
        Ok(keys)
    }
}

/// `[header, payload, signature]`, of which nothing is proven.
fn decode(text: &str) -> Result<Value, JwtError> {
    let mut text = text.to_owned();
    loop {
        let token = Token::parse(&text)?;
        // Other than where tokens are verified, only these capitals count and quotes do not.
        if token.string("cty")? != Some("JWT") {
            let parts = [token.header.clone(), token.payload()?, token.signature()];
            return Ok(Value::from(Vec::from(parts)));
        }
        text = token.nested()?.trim_matches(['"', '\'']).to_owned();
    }
}

fn refused() -> Value {
    Value::from(vec![
        Value::from(false),
        Value::new_object(),
        Value::new_object(),
    ])
}

fn text<'v>(value: &'v Value, what: &'static str) -> Result<&'v str, JwtError> {
    let text = value.as_string().map_err(|_| JwtError::NoString(what))?;
    Ok(text.as_ref())
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// How many key texts are kept parsed.
const MAX_KEY_TEXTS: u64 = 64;

/// How many good signatures are remembered; each takes about 200 bytes.
const MAX_GOOD: u64 = 16_384;

#[cfg(test)]
mod tests;
