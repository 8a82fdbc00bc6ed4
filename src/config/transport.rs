//! `portcullis.tls` and `portcullis.http2`: how the gRPC port speaks.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use crate::identity::spiffe::SpiffeId;

use super::{
    problem::Complaint,
    section::Section,
    value::{duration, integer, path, shown, text},
};

/// `tls`: TLS on the gRPC port; files are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `cert_file`: the certificate chain, PEM.
    pub cert_file: PathBuf,
    /// `key_file`: its private key, PEM.
    pub key_file: PathBuf,
    /// `client_ca_file`: who may sign callers' certificates, PEM; with it callers must present one.
    pub client_ca_file: Option<PathBuf>,
    /// `allowed_callers`: who may ask; `None` is everybody whom the CA signed.
    pub allowed_callers: Option<Vec<AllowedCaller>>,
    /// `reload_interval`: how often the files are looked at. Default 10 s.
    pub reload_interval: Duration,
}

/// One entry of `allowed_callers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedCaller {
    /// This SPIFFE ID.
    Id(String),
    /// `spiffe://domain/*` or `spiffe://domain/path/*`: every ID below; kept without the `*`.
    Below(String),
}

impl AllowedCaller {
    /// Whether `caller` is meant.
    pub fn matches(&self, caller: &SpiffeId<'_>) -> bool {
        match self {
            Self::Id(id) => id == caller.id(),
            // Ends with a slash, so `spiffe://a.b/` does not match `spiffe://a.bc/`.
            Self::Below(prefix) => caller.id().starts_with(prefix.as_str()),
        }
    }

    fn parse(value: &Value) -> Result<Self, Complaint> {
        let entry = text(value)?;
        let id = entry.strip_suffix("/*").unwrap_or(entry);
        SpiffeId::parse(id).map_err(|rule| {
            Complaint::new(format!("`{}` is not a SPIFFE ID: {rule}", shown(entry)))
                .hint("write `spiffe://domain/path`, or `spiffe://domain/*` for all below it")
        })?;
        if id.len() == entry.len() {
            return Ok(Self::Id(id.to_owned()));
        }
        Ok(Self::Below(format!("{id}/")))
    }
}

impl Tls {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let cert_file = required(section, "cert_file");
        let key_file = required(section, "key_file");
        let client_ca_file = section.value("client_ca_file", path);
        let allowed_callers = section.list("allowed_callers", AllowedCaller::parse);
        let range = Duration::from_secs(1)..=Duration::from_secs(3600);
        let reload_interval = section
            .value("reload_interval", duration(range))
            .unwrap_or(DEFAULT_RELOAD_INTERVAL);
        if let Some(given) = section.raw("allowed_callers") {
            if client_ca_file.is_none() {
                let complaint = Complaint::new("callers are only known by a certificate");
                section.problem(
                    "allowed_callers",
                    complaint.hint("set `portcullis.tls.client_ca_file` too"),
                );
            }
            if given.as_array().is_some_and(Vec::is_empty) {
                let complaint = Complaint::new("an empty list lets nobody ask");
                section.problem(
                    "allowed_callers",
                    complaint.hint("leave the key out to let everybody ask whom the CA signed"),
                );
            }
        }
        Some(Self {
            cert_file: cert_file?,
            key_file: key_file?,
            client_ca_file,
            allowed_callers,
            reload_interval,
        })
    }
}

fn required(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    if section.raw(key).is_none() {
        section.problem(key, Complaint::new("is missing"));
        return None;
    }
    section.value(key, path)
}

/// `http2`: the gRPC port's HTTP/2 settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// `max_concurrent_streams` of one connection. Default 1024.
    pub max_concurrent_streams: u32,
    /// `initial_stream_window_size` in bytes. Default 1 MiB.
    pub initial_stream_window_size: u32,
    /// `initial_connection_window_size` in bytes. Default 4 MiB.
    pub initial_connection_window_size: u32,
    /// `max_header_list_size` in bytes. Default 16 KiB: a check's headers are in its message.
    pub max_header_list_size: u32,
    /// `keepalive_interval`: how often an idle connection is probed. Default 30 s.
    pub keepalive_interval: Duration,
    /// `keepalive_timeout`: how long the answer to a probe may take. Default 10 s.
    pub keepalive_timeout: Duration,
    /// `max_connection_age`: when a connection is asked to come anew; `None` is never. Default none.
    pub max_connection_age: Option<Duration>,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            initial_stream_window_size: 1024 * 1024,
            initial_connection_window_size: 4 * 1024 * 1024,
            max_header_list_size: 16 * 1024,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            max_connection_age: None,
        }
    }
}

impl Http2 {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let windows = || SMALLEST_WINDOW..=LARGEST_WINDOW;
        let seconds = || Duration::from_secs(1)..=Duration::from_secs(3600);
        Self {
            max_concurrent_streams: section
                .value("max_concurrent_streams", integer(1..=MOST_STREAMS))
                .unwrap_or(default.max_concurrent_streams),
            initial_stream_window_size: section
                .value("initial_stream_window_size", integer(windows()))
                .unwrap_or(default.initial_stream_window_size),
            initial_connection_window_size: section
                .value("initial_connection_window_size", integer(windows()))
                .unwrap_or(default.initial_connection_window_size),
            max_header_list_size: section
                .value("max_header_list_size", integer(1024..=1024 * 1024))
                .unwrap_or(default.max_header_list_size),
            keepalive_interval: section
                .value("keepalive_interval", duration(seconds()))
                .unwrap_or(default.keepalive_interval),
            keepalive_timeout: section
                .value("keepalive_timeout", duration(seconds()))
                .unwrap_or(default.keepalive_timeout),
            max_connection_age: section.value("max_connection_age", duration(CONNECTION_AGE)),
        }
    }
}

const DEFAULT_RELOAD_INTERVAL: Duration = Duration::from_secs(10);
/// RFC 9113, section 6.9.2: the window a connection starts with.
const SMALLEST_WINDOW: u32 = 65_535;
/// RFC 9113, section 6.5.2: the largest window.
const LARGEST_WINDOW: u32 = 0x7fff_ffff;
const MOST_STREAMS: u32 = 100_000;
const CONNECTION_AGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entry: &str) -> Result<AllowedCaller, Complaint> {
        AllowedCaller::parse(&Value::String(entry.to_owned()))
    }

    #[test]
    fn an_entry_matches_what_it_names_and_nothing_beside_it() {
        for (entry, caller, want) in [
            ("spiffe://a.b/ns/x/sa/y", "spiffe://a.b/ns/x/sa/y", true),
            ("spiffe://a.b/ns/x/sa/y", "spiffe://a.b/ns/x/sa/yy", false),
            ("spiffe://a.b/ns/x/sa/y", "spiffe://a.b/ns/x/sa/y/z", false),
            ("spiffe://a.b/*", "spiffe://a.b/ns/x/sa/y", true),
            ("spiffe://a.b/*", "spiffe://a.bc/ns/x/sa/y", false),
            ("spiffe://a.b/*", "spiffe://a.b", false),
            ("spiffe://a.b/ns/x/*", "spiffe://a.b/ns/x/sa/y", true),
            ("spiffe://a.b/ns/x/*", "spiffe://a.b/ns/xx/sa/y", false),
            ("spiffe://a.b", "spiffe://a.b", true),
            ("spiffe://a.b", "spiffe://a.b/ns/x/sa/y", false),
        ] {
            let allowed = parse(entry).unwrap();
            let caller = SpiffeId::parse(caller).unwrap();
            assert_eq!(allowed.matches(&caller), want, "{entry} {caller}");
        }
    }

    #[test]
    fn an_entry_that_is_no_spiffe_id_is_refused() {
        for entry in [
            "",
            "*",
            "/*",
            "a.b/*",
            "spiffe://*",
            "spiffe:///*",
            "spiffe://a.b/n*",
            "spiffe://a.b/*/x",
            "spiffe://A.b/*",
        ] {
            assert!(parse(entry).is_err(), "{entry}");
        }
    }
}
