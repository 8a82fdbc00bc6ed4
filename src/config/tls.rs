//! `portcullis.tls`: what the gRPC port proves and asks for; `portcullis.observe.tls` likewise.

use std::{ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use serde_json::Value;

use crate::identity::spiffe::{InvalidSpiffeId, SpiffeId};

use super::{
    problem::Complaint,
    section::Section,
    value::{duration, path, shown, text},
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
}

impl FromStr for AllowedCaller {
    type Err = InvalidSpiffeId;

    fn from_str(entry: &str) -> Result<Self, InvalidSpiffeId> {
        let id = entry.strip_suffix("/*").unwrap_or(entry);
        SpiffeId::parse(id)?;
        if id.len() == entry.len() {
            return Ok(Self::Id(id.to_owned()));
        }
        Ok(Self::Below(format!("{id}/")))
    }
}

impl Tls {
    /// Whether nobody is answered who is not on a list.
    pub fn knows_callers(&self) -> bool {
        self.client_ca_file.is_some() && self.allowed_callers.is_some()
    }

    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let cert_file = section.required("cert_file", path);
        let key_file = section.required("key_file", path);
        let client_ca_file = section.value("client_ca_file", path);
        let allowed_callers = section.list("allowed_callers", allowed_caller);
        let reload_interval = section
            .value("reload_interval", duration(RELOAD_INTERVAL))
            .unwrap_or(DEFAULT_RELOAD_INTERVAL);
        if let Some(given) = section.raw("allowed_callers") {
            let is_empty = given.as_array().is_some_and(Vec::is_empty);
            check_callers(section, is_empty, client_ca_file.is_none());
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

/// Both would refuse everybody, which nobody wants.
fn check_callers(section: &Section<'_>, list_is_empty: bool, ca_is_missing: bool) {
    if ca_is_missing {
        let complaint = Complaint::new("callers are only known by a certificate");
        let hint = "set `client_ca_file` too";
        section.problem("allowed_callers", complaint.hint(hint));
    }
    if list_is_empty {
        let complaint = Complaint::new("an empty list lets nobody ask");
        let hint = "leave the key out to let everybody ask whom the CA signed";
        section.problem("allowed_callers", complaint.hint(hint));
    }
}

fn allowed_caller(value: &Value) -> Result<AllowedCaller, Complaint> {
    let entry = text(value)?;
    entry.parse().map_err(|rule: InvalidSpiffeId| {
        Complaint::new(format!("`{}` is not a SPIFFE ID: {rule}", shown(entry)))
            .hint("write `spiffe://domain/path`, or `spiffe://domain/*` for all below it")
    })
}

const DEFAULT_RELOAD_INTERVAL: Duration = Duration::from_secs(10);
const RELOAD_INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

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
            ("spiffe://a.b/ns/x/*", "spiffe://a.b/ns/x", false),
            ("spiffe://a.b", "spiffe://a.b", true),
            ("spiffe://a.b", "spiffe://a.b/ns/x/sa/y", false),
        ] {
            let allowed: AllowedCaller = entry.parse().unwrap();
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
            "spiffe://a.b/*/*",
            "spiffe://A.b/*",
        ] {
            assert!(entry.parse::<AllowedCaller>().is_err(), "{entry}");
        }
    }
}
