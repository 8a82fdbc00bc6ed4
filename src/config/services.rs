//! `services`: the servers that bundles, discovery and status reports name.
//!
//! Promises that every [`Service`] has one absolute URL without secrets in it and one way at most to
//! prove who this gate is, and that whatever OPA knows and this version does not is refused by name.

mod aws;
mod credentials;
mod oauth2;

use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use reqwest::Url;
use serde_json::Value;

pub(super) use self::aws::AwsEnvironment;
use super::{
    problem::Complaint,
    section::Section,
    value::{boolean, integer, path, shown, text},
};
use crate::{
    redact::Secret,
    services::{Service, Tls},
};

/// Every entry of `services`; those that are wrong are known by their names.
#[derive(Debug, Default)]
pub(super) struct Services {
    named: BTreeMap<String, Option<Arc<Service>>>,
    /// What is meant where no service is named: the first of a list, the only one of a mapping.
    default: Option<String>,
}

impl Services {
    /// `default`: what is meant where no service is named, when that is decided already.
    pub(super) fn read(
        root: &mut Section<'_>,
        aws: &AwsEnvironment,
        default: Option<String>,
    ) -> Self {
        let mut services = Self::read_any(root, aws);
        services.default = default.or(services.default);
        services
    }

    fn read_any(root: &mut Section<'_>, aws: &AwsEnvironment) -> Self {
        if root.raw("services").is_some_and(Value::is_array) {
            return Self::read_list(root, aws);
        }
        let named: BTreeMap<_, _> = root
            .entries("services", |name, entry| {
                if entry.value("name", text).is_some_and(|given| given != name) {
                    let complaint = Complaint::new("the key above is its name");
                    entry.problem("name", complaint.hint("leave `name` out"));
                }
                (name.to_owned(), service(name, entry, aws))
            })
            .into_iter()
            .collect();
        let default = match named.len() {
            1 => named.keys().next().cloned(),
            _ => None,
        };
        Self { named, default }
    }

    fn read_list(root: &mut Section<'_>, aws: &AwsEnvironment) -> Self {
        let mut services = Self::default();
        root.sections("services", |entry| {
            let name = entry.required("name", text);
            let service = service(name.unwrap_or_default(), entry, aws);
            let Some(name) = name else { return };
            services.default.get_or_insert_with(|| name.to_owned());
            if services.named.insert(name.to_owned(), service).is_some() {
                let message = format!("`{}` is another service's name", shown(name));
                entry.problem("name", Complaint::new(message));
            }
        });
        services
    }

    /// Those that are right, in the order of their names.
    pub(super) fn all(&self) -> Vec<Arc<Service>> {
        self.named.values().flatten().cloned().collect()
    }

    /// The service at `key`, or the default one; `None` when it is reported as wrong already.
    pub(super) fn of(&self, section: &mut Section<'_>, key: &'static str) -> Option<Arc<Service>> {
        if section.raw(key).is_some() {
            return section.value(key, |value| self.named(value)).flatten();
        }
        if self.default.is_none() {
            section.problem(key, self.no_default());
        }
        let name = self.default.as_deref()?;
        self.named.get(name).cloned().flatten()
    }

    /// The service of this name; `None` when there is none, or it is reported as wrong already.
    pub(super) fn called(&self, name: &str) -> Option<Arc<Service>> {
        self.named.get(name).cloned().flatten()
    }

    /// What is meant where no service is named.
    pub(super) fn default_name(&self) -> Option<&str> {
        self.default.as_deref()
    }

    fn named(&self, value: &Value) -> Result<Option<Arc<Service>>, Complaint> {
        let name = text(value)?;
        self.named.get(name).cloned().ok_or_else(|| {
            Complaint::new(format!("`services` has no `{}`", shown(name)))
                .hint("name one of `services`")
        })
    }

    fn no_default(&self) -> Complaint {
        if self.named.is_empty() {
            return Complaint::new("is missing, and there are no `services`")
                .hint("add the server's address to `services`, or use a `file://` resource");
        }
        Complaint::new("is missing, and there is more than one in `services`")
            .hint("name one of `services`")
    }
}

fn service(name: &str, section: &mut Section<'_>, aws: &AwsEnvironment) -> Option<Arc<Service>> {
    let url = section.required("url", url);
    let oci = section.value("type", kind).unwrap_or(false);
    if let Some(url) = url.as_ref().filter(|url| oci && is_bucket(url)) {
        let message = format!("`{}` is no registry", url.scheme());
        section.problem("url", Complaint::new(message));
    }
    if url.as_ref().is_some_and(travels_in_the_open) {
        section.warn(
            "url",
            "is plain `http`: whoever is on the way reads credentials and can change what is not signed",
        );
    }
    let timeout = section.value("response_header_timeout_seconds", integer(SECONDS));
    let headers = headers(section, "headers");
    let tls = tls(section);
    let credentials = section.section("credentials", |section| credentials::read(section, aws));
    Some(Arc::new(Service {
        name: name.into(),
        url: url?,
        oci,
        response_header_timeout: timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs),
        headers,
        tls,
        credentials,
    }))
}

/// The scheme decides who answers: `http` and `https` a server, the others a bucket.
fn url(value: &Value) -> Result<Url, Complaint> {
    let given = text(value)?;
    let complain = |why: &str| {
        Complaint::new(format!("`{}` {why}", shown(given)))
            .hint("write it like `https://bundles.example.com/path` or `s3://bucket/path`")
    };
    let url =
        Url::parse(given).map_err(|error| complain(&format!("is no absolute URL: {error}")))?;
    if !(WEB.contains(&url.scheme()) || is_bucket(&url)) {
        return Err(complain("has a scheme that is not known"));
    }
    if !url.has_host() || url.host_str().is_some_and(str::is_empty) {
        return Err(complain("names no host"));
    }
    // `abfss://container@account.dfs.core.windows.net` names a container, no user.
    let names_container = matches!(url.scheme(), "abfs" | "abfss");
    if url.password().is_some() || !(url.username().is_empty() || names_container) {
        return Err(complain("must have no user: use `credentials`"));
    }
    // A bucket's query says where its store is: `?endpoint=http://minio:9000`.
    if url.fragment().is_some() || url.query().is_some() && !is_bucket(&url) {
        return Err(complain("must have no query and no fragment"));
    }
    Ok(url)
}

/// Whether the URL names a bucket of an object store.
pub(super) fn is_bucket(url: &Url) -> bool {
    BUCKETS.contains(&url.scheme())
}

/// Whether others than this machine may see what is sent there.
fn travels_in_the_open(url: &Url) -> bool {
    url.scheme() == "http" && !is_loopback(url)
}

/// Whether only this machine answers there.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

fn kind(value: &Value) -> Result<bool, Complaint> {
    match text(value)? {
        "" => Ok(false),
        "oci" => Ok(true),
        other => {
            let message = format!("`{}` is not known; there is `oci`", shown(other));
            Err(Complaint::new(message))
        }
    }
}

/// A mapping of header names to their values, which are never shown.
fn headers(section: &mut Section<'_>, key: &'static str) -> BTreeMap<String, Secret<String>> {
    let headers = section.texts(key, |name, value| {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(Complaint::new("is not the name of a header"));
        }
        if HeaderValue::from_str(value).is_err() {
            return Err(Complaint::new("is not the value of a header"));
        }
        Ok((name.to_ascii_lowercase(), Secret::new(value.to_owned())))
    });
    headers.into_iter().collect()
}

fn tls(section: &mut Section<'_>) -> Tls {
    let insecure = section.flag("allow_insecure_tls");
    if insecure {
        section.warn("allow_insecure_tls", "is on: whoever answers is believed");
    }
    let (ca_cert, system_ca_required) = section.section("tls", |tls| {
        let ca_cert = tls.value("ca_cert", path);
        (ca_cert, tls.value("system_ca_required", boolean))
    });
    Tls {
        ca_cert,
        system_ca_required: system_ca_required.unwrap_or(false),
        insecure,
    }
}

const WEB: [&str; 2] = ["http", "https"];
const BUCKETS: [&str; 8] = ["s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss"];
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Zero is as long as the client waits at most.
const SECONDS: RangeInclusive<u64> = 0..=3600;
