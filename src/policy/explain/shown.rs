//! Values as text for people: short, and without the credentials of the request.
//!
//! What stands under a header or parameter that carries a credential is masked wherever it turns up,
//! whole or in parts; and where a condition reads such a header, so is everything it is compared with.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::input::{Value, jwt_authn};
use crate::redact::{self, credentials::Redactor};

/// What must not be shown of one request.
#[derive(Debug)]
pub(super) struct Shown<'r> {
    redactor: &'r Redactor,
    /// The longest first.
    secrets: Vec<String>,
}

impl<'r> Shown<'r> {
    /// For the request of this document.
    pub(super) fn of(input: &Value, redactor: &'r Redactor) -> Self {
        let mut secrets = Vec::new();
        collect(redactor, input, Under::Nothing, &mut secrets);
        let whole = secrets.clone();
        for secret in &whole {
            parts(secret, &mut secrets);
        }
        secrets.sort_by(|one, other| (other.len(), other).cmp(&(one.len(), one)));
        secrets.dedup();
        Self { redactor, secrets }
    }

    /// The value as Rego has it, cut where it is long.
    pub(super) fn value(&self, value: &Value) -> String {
        let mut text = String::new();
        self.write(value, &mut text);
        cut(&text)
    }

    /// The value of something that a credential is compared with: whether it is there and what it is.
    pub(super) fn masked(value: &Value) -> String {
        match value {
            Value::Null | Value::Bool(_) => value.to_string(),
            Value::Undefined => UNDEFINED.to_owned(),
            Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Set(_)
            | Value::Object(_) => redact::MASK.to_owned(),
        }
    }

    /// Text of the policy, which may hold a token.
    pub(super) fn source(text: &str) -> String {
        redact::tokens(text).into_owned()
    }

    fn write(&self, value: &Value, text: &mut String) {
        if text.len() > MOST_BYTES {
            return;
        }
        match value {
            Value::Null => text.push_str("null"),
            Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Value::Number(_) => {
                write!(text, "{value}").ok();
            }
            Value::String(value) => text.push_str(&quoted(&self.without_secrets(value))),
            Value::Array(items) => self.list(text, ("[", "]"), items.iter()),
            Value::Set(items) if items.is_empty() => text.push_str("set()"),
            Value::Set(items) => self.list(text, ("{", "}"), items.iter()),
            Value::Object(fields) => {
                let secret_entry = is_secret_entry(self.redactor, value);
                text.push('{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        text.push_str(", ");
                    }
                    self.write(key, text);
                    text.push_str(": ");
                    let name = name_of(key);
                    if hides(self.redactor, name, value) || (secret_entry && name != "key") {
                        text.push_str(redact::MASK);
                    } else {
                        self.write(value, text);
                    }
                }
                text.push('}');
            }
            Value::Undefined => text.push_str(UNDEFINED),
        }
    }

    fn list<'v>(
        &self,
        text: &mut String,
        (open, close): (&str, &str),
        items: impl Iterator<Item = &'v Value>,
    ) {
        text.push_str(open);
        for (at, item) in items.enumerate() {
            if at > 0 {
                text.push_str(", ");
            }
            self.write(item, text);
        }
        text.push_str(close);
    }

    /// A text without the credentials of the request, and without what looks like one.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let text = redact::tokens(text);
        if is_encoded_secret(self.redactor, &text) {
            return redact::MASK.to_owned();
        }
        let shown = self.redactor.header("", &text);
        let mut text = shown.unwrap_or_else(|| text.into_owned());
        let lower = text.to_ascii_lowercase();
        let is_part = |secret: &String| {
            let secret = secret.to_ascii_lowercase();
            secret == lower || (lower.len() >= TELLING_BYTES && secret.contains(&lower))
        };
        if self.secrets.iter().any(is_part) {
            return redact::MASK.to_owned();
        }
        let long = self
            .secrets
            .iter()
            .filter(|secret| secret.len() >= SECRET_BYTES);
        for secret in long {
            if text
                .to_ascii_lowercase()
                .contains(&secret.to_ascii_lowercase())
            {
                // The case of what was found may differ: the text is hidden as a whole then.
                let without = text.replace(secret.as_str(), redact::MASK);
                text = if without == text {
                    redact::MASK.to_owned()
                } else {
                    without
                };
            }
        }
        text
    }
}

/// What a value stands under.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    Nothing,
    /// Where more names are those of credentials.
    Parameters,
    /// Where names say nothing.
    Claims,
    Secret,
}

/// The strings under names of credentials, and the credentials in others.
fn collect(redactor: &Redactor, value: &Value, under: Under, secrets: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if under == Under::Secret && !text.is_empty() {
                secrets.push(text.to_string());
            }
            secrets.extend(redactor.found(text));
        }
        Value::Array(items) => {
            let items = items.iter();
            items.for_each(|item| collect(redactor, item, under, secrets));
        }
        Value::Set(items) => {
            let items = items.iter();
            items.for_each(|item| collect(redactor, item, under, secrets));
        }
        Value::Object(fields) => {
            let entry = is_secret_entry(redactor, value);
            for (key, value) in fields.iter() {
                let name = name_of(key);
                // Who called is no secret, wherever else it stands.
                if name.eq_ignore_ascii_case(FORWARDED_CERTIFICATE) {
                    continue;
                }
                secrets.extend(redactor.found(name));
                let hides = hides(redactor, name, value)
                    || (entry && name != "key")
                    || (under == Under::Parameters && redactor.hides_parameter(name));
                let below = match under {
                    Under::Nothing | Under::Parameters if hides => Under::Secret,
                    Under::Nothing if name == "parsed_query" => Under::Parameters,
                    Under::Nothing if is_verified(name, value) => Under::Claims,
                    Under::Nothing | Under::Parameters | Under::Claims | Under::Secret => under,
                };
                collect(redactor, value, below, secrets);
            }
        }
        Value::Number(number) => {
            let number = number.format_decimal();
            if under == Under::Secret && number.len() >= SECRET_BYTES {
                secrets.push(number);
            }
        }
        Value::Null | Value::Bool(_) | Value::Undefined => {}
    }
}

/// Whether what stands under this name is a credential.
fn hides(redactor: &Redactor, name: &str, value: &Value) -> bool {
    redactor.hides(name) && !is_verified(name, value)
}

/// Whether these are claims, of a token that the gate or Envoy has verified.
fn is_verified(name: &str, value: &Value) -> bool {
    name == jwt_authn::NAMESPACE || (name == "jwt" && value.as_object().is_ok())
}

/// Whether the text is a body in base64, or the like, with a credential in it.
fn is_encoded_secret(redactor: &Redactor, text: &str) -> bool {
    let bytes = if text.len() >= TELLING_BYTES {
        STANDARD.decode(text).ok()
    } else {
        None
    };
    bytes.is_some_and(|bytes| redactor.body(&String::from_utf8_lossy(&bytes)).is_some())
}

/// What a policy may take out of a credential: its words, the pair in `Basic`, what is encoded.
fn parts(secret: &str, secrets: &mut Vec<String>) {
    for word in secret
        .split([' ', ';', ',', '=', '"'])
        .filter(|word| word.len() >= TELLING_BYTES)
    {
        secrets.push(word.to_owned());
    }
    let last = secret.rsplit(' ').next().unwrap_or(secret);
    let decoded = STANDARD.decode(last).ok();
    if let Some(text) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
        if let Some((_, password)) = text.split_once(':') {
            secrets.push(password.to_owned());
        }
        secrets.push(text);
    }
}

fn name_of(key: &Value) -> &str {
    key.as_string().map(AsRef::as_ref).unwrap_or_default()
}

/// Whether this is an entry of `headerMap` whose header carries a credential.
fn is_secret_entry(redactor: &Redactor, value: &Value) -> bool {
    let key = value
        .as_object()
        .ok()
        .and_then(|fields| fields.get(&"key".into()));
    key.is_some_and(|key| redactor.hides(name_of(key)))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text on one line, and not too long.
pub(super) fn cut(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = if text.contains('\n') {
        line.join(" ")
    } else {
        text.to_owned()
    };
    if line.chars().count() <= MOST_CHARS {
        return line;
    }
    let mut short: String = line.chars().take(MOST_CHARS).collect();
    short.push('…');
    short
}

/// The header with the certificates of proxies: masked itself, but full of names that are shown.
const FORWARDED_CERTIFICATE: &str = "x-forwarded-client-cert";

/// What stands where there is no value.
pub(super) const UNDEFINED: &str = "undefined";

/// How long a shown value is.
const MOST_CHARS: usize = 160;

/// Where writing a value ends; more than any character of [`MOST_CHARS`] takes.
const MOST_BYTES: usize = 4 * MOST_CHARS;

/// A secret this long is looked for inside of other texts.
const SECRET_BYTES: usize = 4;

/// A part of a secret this long is not shown.
const TELLING_BYTES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::credentials::Options;

    fn redactor() -> Redactor {
        Redactor::masking(&Options {
            headers: vec!["x-company-key".to_owned()],
            ..Options::default()
        })
    }

    /// How the document is shown that is `json`, for the request that is `input`.
    fn text(input: &str, json: &str) -> String {
        let parse = |text: &str| Value::from_json_str(text).unwrap();
        Shown::of(&parse(input), &redactor()).value(&parse(json))
    }

    const INPUT: &str = r#"{"attributes":{"request":{"http":{"headers":{
        "authorization":"Basic YWxpY2U6aHVudGVyMg==","x-api-key":"k3y-material","x-tier":"basic",
        "x-company-key":"c0mpany","x-session-token":"s3ssion","referer":"https://u:us3r@h/?code=c0de"},
        "body":"{\"old_password\":\"b0dyword\"}","raw_body":"eyJwYXNzd29yZCI6InNlY3JldCJ9",
        "header_map":{"headers":[{"key":"Cookie","value":"session=abcdef012345"}]}}}},
        "parsed_query":{"access_token":["opaque-access"],"page":["2"],"code":["qu3rycode"]},
        "jwt":{"claims":{"session_token":"alice-7"}},
        "parsed_body":{"new_password":"p4rsedword"}}"#;

    #[test]
    fn what_a_credential_is_made_of_is_masked_wherever_it_turns_up() {
        for secret in [
            r#""Basic YWxpY2U6aHVudGVyMg==""#,
            r#""YWxpY2U6aHVudGVyMg==""#,
            r#""alice:hunter2""#,
            r#""hunter2""#,
            r#""K3Y-MATERIAL""#,
            r#""k3y-mate""#,
            r#""abcdef012345""#,
            r#"["/x?access_token=opaque-access&page=2"]"#,
            r#"{"authorization": "whatever"}"#,
            r#"{"key": "cookie", "value": "whatever"}"#,
            r#""c0mpany""#,
            r#""s3ssion""#,
            r#""it is u:us3r, or so""#,
            r#""c0de""#,
            r#""qu3rycode""#,
            r#""b0dyword""#,
            r#""p4rsedword""#,
            r#""eyJwYXNzd29yZCI6InNlY3JldCJ9""#,
            r#""{\"password\": \"whatever\"}""#,
            r#""Bearer whatever""#,
        ] {
            let text = text(INPUT, secret);
            assert!(text.contains(redact::MASK), "{secret}: {text}");
            for part in [
                "hunter2", "YWxp", "K3Y", "k3y", "abcdef", "opaque", "whatever", "c0", "s3s",
                "us3r", "qu3", "b0d", "p4r", "eyJ",
            ] {
                assert!(!text.contains(part), "{secret}: {text}");
            }
        }
    }

    #[test]
    fn what_is_no_credential_is_shown_as_it_is() {
        for plain in [
            r#""basic""#,
            r#"["2", 3, null]"#,
            r#"{"x-tier": "basic"}"#,
            r#""Basic""#,
            r#"{"jwt": {"sub": "alice"}}"#,
            r#""alice-7""#,
        ] {
            assert_eq!(text(INPUT, plain), plain);
        }
        let redactor = redactor();
        let shown = Shown::of(&Value::new_set(), &redactor);
        assert_eq!(shown.value(&Value::new_set()), "set()");
    }

    #[test]
    fn long_values_are_cut() {
        let long = format!("\"{}\"", "x".repeat(10_000));
        let text = text("{}", &long);
        assert_eq!(text.chars().count(), MOST_CHARS + 1);
        assert!(text.ends_with('…'));
    }
}
