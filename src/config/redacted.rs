//! A configuration as it may be shown: everything that is or can be a secret reads `****`.
//!
//! Masked by the key's name, wherever it stands, so that a section this version does not know yet is
//! covered as well: all values below `credentials` and below mappings called `headers`, keys and
//! tokens given inline, passwords and passphrases; in every text that holds a URL its user
//! information and its query; of a key set (`jwks`) what is not public. Paths of files that hold secrets (`token_path`, `key_file`) are shown.

use serde_json::{Map, Value};

/// `value` with its secrets masked.
pub(super) fn redact(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => Value::String(without_url_secrets(text)),
        Value::Array(items) => items.iter().map(redact).collect(),
        Value::Object(fields) => Value::Object(fields.iter().map(redact_field).collect()),
    }
}

fn redact_field((key, value): (&String, &Value)) -> (String, Value) {
    let value = if is_secret(key, value) {
        mask(value)
    } else if key == "jwks" {
        redact_jwks(value)
    } else {
        redact(value)
    };
    (key.clone(), value)
}

fn is_secret(key: &str, value: &Value) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    if key.ends_with("_path") || key.ends_with("_file") || key.ends_with("_url") {
        return false;
    }
    match key.as_str() {
        "credentials" | "key" | "additional_headers" | "additional_parameters" => true,
        // It is about tokens and holds none.
        "several_tokens" => false,
        // `decision_logs.request_context.http.headers` is a list of names.
        "headers" => value.is_object(),
        _ => SECRET_WORDS.iter().any(|word| key.contains(word)),
    }
}

/// A key set, as a tree or as JSON text, without what makes a key secret.
fn redact_jwks(value: &Value) -> Value {
    let Some(text) = value.as_str() else {
        return redact_keys(value);
    };
    match serde_json::from_str(text) {
        Ok(set @ (Value::Array(_) | Value::Object(_))) => {
            Value::String(redact_keys(&set).to_string())
        }
        // Whatever it is, it is not known to be public.
        Ok(_) | Err(_) => mask(value),
    }
}

fn redact_keys(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => redact(value),
        Value::Array(items) => items.iter().map(redact_keys).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| {
                    let secret = JWK_SECRETS.contains(&key.as_str());
                    let shown = if secret { mask } else { redact_keys };
                    (key.clone(), shown(value))
                })
                .collect(),
        ),
    }
}

/// Every value below is masked, the keys stay.
fn mask(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::String(MASK.to_owned()),
        Value::Array(items) => items.iter().map(mask).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), mask(value)))
                .collect::<Map<_, _>>(),
        ),
    }
}

/// `text` with user information and query of a URL in it masked.
pub(super) fn without_url_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (address, query) = match rest.split_once('?') {
        Some((address, _)) => (address, "?****"),
        None => (rest, ""),
    };
    let authority_end = address.find('/').unwrap_or(address.len());
    let (authority, path) = address.split_at(authority_end);
    // `unix://@name` is an abstract socket and no user information.
    match authority.rsplit_once('@') {
        Some((user, host)) if !user.is_empty() => {
            format!("{scheme}://{MASK}@{host}{path}{query}")
        }
        Some(_) | None => format!("{scheme}://{authority}{path}{query}"),
    }
}

const MASK: &str = "****";
const SECRET_WORDS: [&str; 8] = [
    "secret",
    "password",
    "passphrase",
    "token",
    "private_key",
    "signing_key",
    "client_assertion",
    "api_key",
];
/// The members of a JWK that only its owner may know (RFC 7518, section 6).
const JWK_SECRETS: [&str; 8] = ["k", "d", "p", "q", "dp", "dq", "qi", "oth"];
