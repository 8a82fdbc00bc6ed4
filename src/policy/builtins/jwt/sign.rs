//! `io.jwt.encode_sign` and `io.jwt.encode_sign_raw`: tokens that a policy makes.

use regorus::Value;

use super::keys::MAX_TEXT;
use super::token::{MAX_TOKEN, bounded};
use super::{Algorithm, JwtError, base64url};
use crate::identity::jose::{JsonObject, SigningKey, object};
use crate::input::parse_json;

/// A token of `header` and `payload`, signed with the JWK `key`.
pub(super) fn encode(header: &Value, payload: &Value, key: &Value) -> Result<Value, JwtError> {
    encode_raw(
        &json(header, "header")?,
        &json(payload, "payload")?,
        &json(key, "key")?,
    )
}

/// The same of texts, which are signed as they are.
pub(super) fn encode_raw(header: &str, payload: &str, key: &str) -> Result<Value, JwtError> {
    bounded(header, "header", MAX_TOKEN)?;
    bounded(payload, "payload", MAX_TOKEN)?;
    bounded(key, "key", MAX_TEXT)?;
    let fields = object(header.as_bytes()).map_err(JwtError::Header)?;
    let name = fields.get("alg").and_then(serde_json::Value::as_str);
    let algorithm = name.and_then(Algorithm::parse).ok_or(JwtError::Algorithm)?;
    let typ = fields.get("typ").and_then(serde_json::Value::as_str);
    if typ.is_none_or(|typ| typ == "JWT") && parse_json(payload.as_bytes()).is_err() {
        return Err(JwtError::NoJsonPayload);
    }
    let key = SigningKey::from_jwk(&first(&object(key.as_bytes()).map_err(JwtError::KeyText)?)?)?;
    let mut token = base64url(header.as_bytes());
    token.push('.');
    token.push_str(&base64url(payload.as_bytes()));
    let signature = key.sign(algorithm, token.as_bytes())?;
    token.push('.');
    token.push_str(&base64url(&signature));
    Ok(Value::from(token))
}

/// The first key of a set, or the one key.
fn first(json: &JsonObject) -> Result<JsonObject, JwtError> {
    let Some(set) = json.get("keys") else {
        return Ok(json.clone());
    };
    let set = set.as_array().ok_or(JwtError::KeySet)?;
    let first = set.first().ok_or(JwtError::NoSigningKey)?;
    first.as_object().cloned().ok_or(JwtError::NoObject("key"))
}

/// The JSON text of an object, as the reference writes it: what HTML or JavaScript gives a meaning
/// is escaped. Those characters stand in strings only.
fn json(value: &Value, what: &'static str) -> Result<String, JwtError> {
    value.as_object().map_err(|_| JwtError::NoObject(what))?;
    let text =
        serde_json::to_string(value).map_err(|error| JwtError::Unwritable(error.to_string()))?;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    Ok(escaped)
}
