//! The fields of a request object, each with the type that the reference wants.

use std::time::Duration;

use super::{error::SendError, timespan};
use crate::input::{Value, type_name};

/// A request object whose keys are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'v>(&'v Value);

impl<'v> Fields<'v> {
    /// Fails for what is no object, and for keys that the reference does not know.
    pub(super) fn new(request: &'v Value) -> Result<Self, SendError> {
        let Ok(object) = request.as_object() else {
            return Err(invalid("the request must be an object"));
        };
        for key in object.keys_sorted() {
            let known = key.as_string().is_ok_and(|key| KEYS.contains(&&**key));
            if !known {
                let key: String = key.to_string().chars().take(LONGEST_KEY).collect();
                return Err(invalid(format!("unknown request parameter {key}")));
            }
        }
        Ok(Self(request))
    }

    /// The request object itself.
    pub(super) fn all(self) -> &'v Value {
        self.0
    }

    pub(super) fn get(self, key: &'static str) -> Option<&'v Value> {
        self.0.as_object().ok()?.get(&Value::from(key))
    }

    pub(super) fn text(self, key: &'static str) -> Result<Option<&'v str>, SendError> {
        let text = |value| text(value).map_or_else(|| wrong(key, "a string", value), Ok);
        self.get(key).map(text).transpose()
    }

    pub(super) fn required(self, key: &'static str) -> Result<&'v str, SendError> {
        let missing = || invalid(format!("missing required request parameter `{key}`"));
        self.text(key)?.ok_or_else(missing)
    }

    /// A switch, off when it is absent.
    pub(super) fn flag(self, key: &'static str) -> Result<bool, SendError> {
        match self.get(key) {
            None => Ok(false),
            Some(value) => match value.as_bool() {
                Ok(on) => Ok(*on),
                Err(_) => wrong(key, "a boolean", value),
            },
        }
    }

    pub(super) fn integer(self, key: &'static str) -> Result<Option<i64>, SendError> {
        let integer = |value: &Value| match value.as_i64() {
            Ok(integer) => Ok(integer),
            Err(_) => wrong(key, "an integer", value),
        };
        self.get(key).map(integer).transpose()
    }

    /// Nanoseconds or a time span; nothing when it is not positive, as none is meant then.
    pub(super) fn timeout(self) -> Result<Option<Duration>, SendError> {
        let nanoseconds = match self.get("timeout") {
            None => return Ok(None),
            Some(Value::String(text)) => timespan::nanoseconds(text)
                .ok_or_else(|| invalid("`timeout` is neither nanoseconds nor a time span"))?,
            Some(_) => self.integer("timeout")?.unwrap_or_default(),
        };
        let positive = u64::try_from(nanoseconds).ok().filter(|span| *span > 0);
        Ok(positive.map(Duration::from_nanos))
    }

    /// The texts of an array.
    pub(super) fn texts(self, key: &'static str) -> Result<Vec<&'v str>, SendError> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let Ok(items) = value.as_array() else {
            return wrong(key, "an array of strings", value);
        };
        let text = |item| text(item).map_or_else(|| wrong(key, "an array of strings", item), Ok);
        items.iter().map(text).collect()
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_string().ok().map(|text| &**text)
}

pub(super) fn invalid(why: impl Into<String>) -> SendError {
    SendError::Invalid(why.into())
}

pub(super) fn refused(why: impl Into<String>) -> SendError {
    SendError::Refused(why.into())
}

fn wrong<T>(key: &'static str, must: &'static str, value: &Value) -> Result<T, SendError> {
    let is = type_name(value);
    Err(invalid(format!("`{key}` must be {must}, not {is}")))
}

/// Longest part of an unknown key in an error, in characters.
const LONGEST_KEY: usize = 64;

/// What the reference knows.
const KEYS: [&str; 28] = [
    "body",
    "cache",
    "cache_ignored_headers",
    "caching_mode",
    "enable_redirect",
    "force_cache",
    "force_cache_duration_seconds",
    "force_json_decode",
    "force_yaml_decode",
    "headers",
    "max_retry_attempts",
    "method",
    "raise_error",
    "raw_body",
    "timeout",
    "tls_ca_cert",
    "tls_ca_cert_env_variable",
    "tls_ca_cert_file",
    "tls_client_cert",
    "tls_client_cert_env_variable",
    "tls_client_cert_file",
    "tls_client_key",
    "tls_client_key_env_variable",
    "tls_client_key_file",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "tls_use_system_certs",
    "url",
];
