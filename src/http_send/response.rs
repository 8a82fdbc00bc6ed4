//! A response as the policy sees it: `status`, `status_code`, `body`, `raw_body` and `headers`.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};

use super::{
    error::SendError,
    fields::refused,
    yaml::{self, InvalidYaml},
};
use crate::input::{JsonRule, Value, parse_json};

/// Which decoders are used whatever the content type says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Decode {
    pub(super) json: bool,
    pub(super) yaml: bool,
}

/// A response that has been read to its end.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    /// The phrase behind the status, as it came.
    pub(super) phrase: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Response {
    /// As the policy sees it. A body that is not in its format is null.
    ///
    /// # Errors
    /// For a body that the reference can decode and that is not decoded here.
    pub(super) fn document(&self, decode: Decode) -> Result<Value, SendError> {
        let code = i64::from(self.status.as_u16());
        Ok(object([
            ("status", format!("{code} {}", self.phrase).into()),
            ("status_code", code.into()),
            ("body", self.decoded(decode)?),
            (
                "raw_body",
                String::from_utf8_lossy(&self.body).into_owned().into(),
            ),
            ("headers", headers(&self.headers)),
        ]))
    }

    fn decoded(&self, decode: Decode) -> Result<Value, SendError> {
        let content_type = self.headers.get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        let most = self
            .body
            .len()
            .saturating_add(1)
            .saturating_mul(MOST_GROWTH);
        if decode.json || is_json(content_type) {
            match parse_json(&self.body) {
                Ok(value) => Ok(value),
                Err(error) => match error.rule {
                    JsonRule::Depth | JsonRule::Range | JsonRule::Trailing => {
                        Err(refused(format!("the body of the response: {error}")))
                    }
                    JsonRule::End
                    | JsonRule::Byte
                    | JsonRule::Number
                    | JsonRule::Control
                    | JsonRule::Escape => Ok(Value::Null),
                },
            }
        } else if decode.yaml || YAML.iter().any(|yaml| content_type.contains(yaml)) {
            match yaml::parse(&self.body, most) {
                Ok(value) => Ok(value),
                Err(InvalidYaml::Malformed) => Ok(Value::Null),
                Err(error @ InvalidYaml::Excess(_)) => {
                    Err(refused(format!("the body of the response: {error}")))
                }
            }
        } else {
            Ok(Value::Null)
        }
    }

    /// What it takes in memory, roughly.
    pub(super) fn weight(&self, document: &Value) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| name.as_str().len().saturating_add(value.len()));
        let headers = headers.fold(0, usize::saturating_add).saturating_mul(2);
        headers
            .saturating_add(self.body.len())
            .saturating_add(weight(document))
    }
}

/// What a value takes in memory, roughly.
fn weight(value: &Value) -> usize {
    let below = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Undefined => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).fold(0, usize::saturating_add),
        Value::Set(items) => items
            .iter_sorted()
            .map(weight)
            .fold(0, usize::saturating_add),
        Value::Object(object) => object
            .iter_sorted()
            .map(|(key, value)| weight(key).saturating_add(weight(value)))
            .fold(0, usize::saturating_add),
    };
    below.saturating_add(VALUE)
}

/// What a policy with `raise_error: false` sees of a failure.
pub(super) fn failure(error: &SendError) -> Value {
    let told = object([
        ("code", error.code().into()),
        ("message", error.to_string().into()),
    ]);
    object([("status_code", Value::from(0_i64)), ("error", told)])
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.map(|(key, value)| (Value::from(key), value));
    Value::from(BTreeMap::from(fields))
}

fn headers(headers: &HeaderMap) -> Value {
    let of = |name: &http::HeaderName| {
        let values = headers.get_all(name).iter();
        let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Value::from(values.map(Value::from).collect::<Vec<_>>())
    };
    let shown = headers
        .keys()
        .filter(|name| !FRAMING.contains(&name.as_str()));
    let fields: BTreeMap<Value, Value> = shown
        .map(|name| (Value::from(name.as_str()), of(name)))
        .collect();
    Value::from(fields)
}

/// `application/json`, or `application/` with `+json` at its end.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind.strip_prefix("application/")
        .is_some_and(|kind| kind == "json" || (kind.ends_with("+json") && !kind.contains('/')))
}

const YAML: [&str; 2] = ["application/yaml", "application/x-yaml"];
/// How the body came, not what it is.
const FRAMING: [&str; 2] = ["trailer", "transfer-encoding"];
/// What a value takes besides its text, in bytes.
const VALUE: usize = 64;
/// How many bytes of values a byte of YAML may become: a value of its own and itself. JSON has its own
/// bound.
const MOST_GROWTH: usize = VALUE + 1;
