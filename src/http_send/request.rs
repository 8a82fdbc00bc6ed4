//! A request object as a request: every key of the reference is known, and what is refused on purpose
//! says so.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Url;

use super::{
    allow::Origin,
    error::SendError,
    fields::{Fields, invalid, refused},
    response::Decode,
    tls::Settings,
};
use crate::{
    digest::{self, Digest},
    input::Value,
};

/// One request, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) origin: Origin,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) tls: Settings,
    /// `timeout`; nothing if it is not given.
    pub(super) timeout: Option<Duration>,
    pub(super) decode: Decode,
    /// `enable_redirect`: a redirect is an error instead of a response.
    pub(super) wants_redirects: bool,
    /// `max_retry_attempts`.
    pub(super) retries: u32,
    /// Set where a response may serve other checks too.
    pub(super) caching: Option<Caching>,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Target<'v> {
    fields: Fields<'v>,
    url: Url,
    pub(super) origin: Origin,
}

/// How a response is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caching {
    /// What requests have in common that share a response.
    pub(super) key: Digest,
    /// `force_cache_duration_seconds`: how long it is fresh, whatever it says itself.
    pub(super) forced: Option<Duration>,
}

/// The switch `raise_error`, which decides how other errors are told.
pub(super) fn raises(request: &Value) -> Result<bool, SendError> {
    let raise = request
        .as_object()
        .ok()
        .and_then(|object| object.get(&Value::from("raise_error")));
    match raise {
        None => Ok(true),
        Some(Value::Bool(raise)) => Ok(*raise),
        Some(_) => Err(invalid("`raise_error` must be a boolean")),
    }
}

impl Request {
    /// Names the trace that it is of, unless the policy does.
    pub(super) fn is_of(&mut self, traceparent: HeaderValue) {
        let name = HeaderName::from_static("traceparent");
        self.headers.entry(name).or_insert(traceparent);
    }

    /// Reads what is sent to `target`; its body may have `most` bytes.
    pub(super) fn read(target: Target<'_>, most: usize) -> Result<Self, SendError> {
        let Target {
            fields,
            url,
            origin,
        } = target;
        let method = method(fields.required("method")?)?;
        let headers = headers(fields, &url)?;
        if fields.flag("tls_insecure_skip_verify")? {
            return Err(refused(
                "`tls_insecure_skip_verify` is refused: give the authority in `tls_ca_cert`",
            ));
        }
        if fields
            .text("tls_server_name")?
            .is_some_and(|name| Some(name) != url.host_str())
        {
            return Err(refused(
                "`tls_server_name` must be the host of the URL: certificates are checked for that",
            ));
        }
        match fields.text("caching_mode")? {
            None | Some("serialized" | "deserialized") => {}
            Some(_) => return Err(invalid("`caching_mode` must be serialized or deserialized")),
        }
        let retries = fields.integer("max_retry_attempts")?.unwrap_or_default();
        let retries = u32::try_from(retries)
            .map_err(|_| invalid("`max_retry_attempts` must not be negative"))?;
        Ok(Self {
            body: body(fields, most)?,
            caching: caching(fields, &headers, most)?,
            method,
            origin,
            tls: Settings::read(fields)?,
            timeout: fields.timeout()?,
            decode: Decode {
                json: fields.flag("force_json_decode")?,
                yaml: fields.flag("force_yaml_decode")?,
            },
            wants_redirects: fields.flag("enable_redirect")?,
            retries: retries.min(MOST_RETRIES),
            url,
            headers,
        })
    }
}

impl<'v> Target<'v> {
    /// Reads no more of a request object than where it goes.
    pub(super) fn read(request: &'v Value) -> Result<Self, SendError> {
        let fields = Fields::new(request)?;
        fields.required("method")?;
        let url = url(fields.required("url")?)?;
        let origin = Origin::of_url(&url).ok_or_else(|| refused(NOT_A_URL))?;
        Ok(Self {
            fields,
            url,
            origin: origin.checked()?,
        })
    }
}

fn method(name: &str) -> Result<Method, SendError> {
    let method = Method::from_bytes(name.to_ascii_uppercase().as_bytes())
        .map_err(|_| invalid("`method` is not a method"))?;
    if method == Method::CONNECT || method == Method::TRACE {
        return Err(refused(format!("the method {method} is refused")));
    }
    Ok(method)
}

fn url(text: &str) -> Result<Url, SendError> {
    if text.len() > LONGEST_URL {
        let message = format!("`url` has more than {LONGEST_URL} bytes");
        return Err(refused(message));
    }
    // A parser of URLs forgives all of this, each in its own way.
    let strange = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    let begins = ["http://", "https://"].iter().any(|scheme| {
        let begin = text.get(..scheme.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    });
    if !begins || text.contains(strange) {
        return Err(refused(NOT_A_URL));
    }
    let url = Url::parse(text).map_err(|_| refused(NOT_A_URL))?;
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return Err(refused(
            "`url` has user information: send it in the header `authorization`",
        ));
    }
    Ok(url)
}

/// The part of a URL between its scheme and its path, as it is written.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn headers(fields: Fields<'_>, url: &Url) -> Result<HeaderMap, SendError> {
    let mut headers = HeaderMap::new();
    let Some(given) = fields.get("headers") else {
        return Ok(headers);
    };
    let given = given
        .as_object()
        .map_err(|_| invalid("`headers` must be an object"))?;
    let mut size = 0_usize;
    for (name, value) in given.iter_sorted() {
        let (Value::String(name), Value::String(value)) = (name, value) else {
            return Err(invalid(
                "`headers` must have strings as names and as values",
            ));
        };
        size = size.saturating_add(name.len()).saturating_add(value.len());
        if size > MOST_HEADER_BYTES {
            let message = format!("`headers` has more than {MOST_HEADER_BYTES} bytes");
            return Err(refused(message));
        }
        let name: HeaderName = name
            .parse()
            .map_err(|_| invalid("`headers` has a name that is none"))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| invalid(format!("`headers` has a value for `{name}` that is none")))?;
        if name == http::header::HOST {
            if !names(url, &value) {
                return Err(refused(
                    "the header `host` must be that of the URL: what is allowed is a host",
                ));
            }
        } else if !OF_THE_CONNECTION.contains(&name.as_str()) {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// Whether a `Host` header names the host of the URL.
fn names(url: &Url, host: &HeaderValue) -> bool {
    let (Some(host), Ok(given)) = (url.host_str(), host.to_str()) else {
        return false;
    };
    let port = url.port_or_known_default();
    let with_port = port.map(|port| format!("{host}:{port}"));
    let given = given.to_ascii_lowercase();
    Some(&given) == with_port.as_ref() || (url.port().is_none() && given == host)
}

fn body(fields: Fields<'_>, most: usize) -> Result<Bytes, SendError> {
    let too_large = || refused(format!("the body is larger than {most} bytes"));
    match (fields.text("raw_body")?, fields.get("body")) {
        (Some(raw), _) if raw.len() > most => Err(too_large()),
        (Some(raw), _) => Ok(Bytes::copy_from_slice(raw.as_bytes())),
        (None, Some(value)) => match json(value, most) {
            Ok(text) => Ok(text.into()),
            Err(NoJson::TooLarge) => Err(too_large()),
            Err(NoJson::NoForm) => Err(invalid("`body` has no form in JSON")),
        },
        (None, None) => Ok(Bytes::new()),
    }
}

fn caching(
    fields: Fields<'_>,
    headers: &HeaderMap,
    most: usize,
) -> Result<Option<Caching>, SendError> {
    let cache = fields.flag("cache")?;
    let force = fields.flag("force_cache")?;
    let seconds = fields.integer("force_cache_duration_seconds")?;
    let ignored = fields.texts("cache_ignored_headers")?;
    let forced = match (force, seconds) {
        (true, None) => {
            let message = "`force_cache` needs `force_cache_duration_seconds`";
            return Err(invalid(message));
        }
        (true, Some(seconds)) => u32::try_from(seconds).ok().filter(|seconds| *seconds > 0),
        (false, _) => None,
    };
    let forced = forced.map(|seconds| Duration::from_secs(seconds.into()));
    // A request that asks for a new response gets one.
    let anew = forced.is_none() && super::freshness::Directives::of(headers).refuse_cached();
    if !(cache || force) || anew {
        return Ok(None);
    }
    let key = key(fields, &ignored, most)?;
    Ok(Some(Caching { key, forced }))
}

/// All of the request object but the headers that are ignored and how they are called.
fn key(fields: Fields<'_>, ignored: &[&str], most: usize) -> Result<Digest, SendError> {
    let mut key = fields.all().clone();
    if let Ok(object) = key.as_object_mut() {
        object.remove(&Value::from("cache_ignored_headers"));
        if !ignored.is_empty()
            && let Some(mut headers) = fields.get("headers").cloned()
        {
            if let Ok(headers) = headers.as_object_mut() {
                for name in ignored {
                    headers.remove(&Value::from(*name));
                }
            }
            object.insert(Value::from("headers"), headers);
        }
    }
    // A body that may be sent fits, whatever JSON makes of its characters.
    let most = most.saturating_add(MOST_BESIDES).saturating_mul(ESCAPED);
    match json(&key, most) {
        Ok(text) => Ok(digest::of_parts([&*text])),
        Err(NoJson::TooLarge) => Err(refused(format!("the request is larger than {most} bytes"))),
        Err(NoJson::NoForm) => Err(invalid("the request has no form in JSON")),
    }
}

/// Why a value is not written out.
enum NoJson {
    TooLarge,
    NoForm,
}

/// A value as JSON of at most so many bytes. Writing ends there: values share their parts, so that a
/// small one can be written out to any length.
fn json(value: &Value, most: usize) -> Result<Vec<u8>, NoJson> {
    let mut bounded = Bounded {
        text: Vec::new(),
        most,
    };
    match serde_json::to_writer(&mut bounded, value) {
        Ok(()) => Ok(bounded.text),
        Err(error) if error.is_io() => Err(NoJson::TooLarge),
        Err(_) => Err(NoJson::NoForm),
    }
}

/// Takes so many bytes and fails at the next.
struct Bounded {
    text: Vec<u8>,
    most: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len().saturating_add(bytes.len()) > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NOT_A_URL: &str = "`url` is not an absolute `http` or `https` URL";
/// Longest URL in bytes.
const LONGEST_URL: usize = 16 * 1024;
/// Most bytes in names and values of headers.
const MOST_HEADER_BYTES: usize = 64 * 1024;
/// Most bytes in the rest of a request whose response is kept: URL, headers, certificates.
const MOST_BESIDES: usize = 1 << 20;
/// What one byte becomes at most as JSON, in bytes.
const ESCAPED: usize = 6;
/// Retries come without much delay, so that more would be an attack.
const MOST_RETRIES: u32 = 5;
/// Headers that the connection sets by itself.
const OF_THE_CONNECTION: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
