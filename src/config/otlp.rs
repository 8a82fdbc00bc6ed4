//! A collector of OpenTelemetry, in the keys of OPA's `distributed_tracing`.

use std::{path::PathBuf, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::Value;

use super::{
    problem::Complaint,
    section::Section,
    value::{choice, integer, path, shown, text},
};
use crate::{
    redact::Secret,
    traces::otlp::{Batch, Options, Protocol, Tls},
    version::VERSION,
};

/// What differs between the sections that name a collector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// What the service is called when the section does not say.
    pub(super) service: &'static str,
    /// The key of how much is sent at once.
    pub(super) batch: &'static str,
}

/// The collector that `section` names; `None` when it names none.
pub(super) fn read(section: &mut Section<'_>, names: Names) -> Option<Options> {
    let protocol = section.value("type", protocol).flatten();
    let address = section.value("address", address).flatten();
    let tls = tls(section);
    let headers = headers(section);
    let compression = choice(&[("none", false), ("gzip", true)]);
    let gzip = section.value("compression", compression).unwrap_or(false);
    let resource = resource(section, names.service);
    let batch = section.section(names.batch, batch);
    if section.raw("type").is_none_or(|given| given == "") {
        section.warn(
            "type",
            "is missing: nothing is sent; write `grpc` or `http`",
        );
    }
    let protocol = protocol?;
    Some(Options {
        protocol,
        address: address.unwrap_or_else(|| default_address(protocol).to_owned()),
        tls,
        headers: Secret::new(headers),
        gzip,
        resource,
        batch,
    })
}

/// As in OPA, empty text names none.
fn protocol(value: &Value) -> Result<Option<Protocol>, Complaint> {
    if text(value)?.is_empty() {
        return Ok(None);
    }
    choice(&[("grpc", Protocol::Grpc), ("http", Protocol::Http)])(value).map(Some)
}

fn default_address(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "localhost:4317",
        Protocol::Http => "localhost:4318",
    }
}

fn address(value: &Value) -> Result<Option<String>, Complaint> {
    let address = text(value)?;
    if address.is_empty() {
        return Ok(None);
    }
    let uri = format!("http://{address}")
        .parse()
        .unwrap_or_else(|_| Uri::default());
    let authority = uri.authority().filter(|authority| {
        authority.as_str() == address
            && authority.port_u16().is_some()
            && !address.contains('@')
            && !authority.host().is_empty()
    });
    if authority.is_some() {
        return Ok(Some(address.to_owned()));
    }
    // What is before an `@` may be a secret.
    let quoted = if address.contains('@') {
        "the address".to_owned()
    } else {
        format!("`{}`", shown(address))
    };
    let complaint = Complaint::new(format!("{quoted} is not `host:port`"));
    Err(complaint.hint("write `collector:4317`; `encryption` says whether with TLS"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    Off,
    Tls,
    Mutual,
}

fn tls(section: &mut Section<'_>) -> Option<Tls> {
    let encryption = section
        .value("encryption", encryption)
        .unwrap_or(Encryption::Off);
    let insecure = section.flag("allow_insecure_tls");
    let authorities = section.value("tls_ca_cert_file", file).flatten();
    let certificate = section.value("tls_cert_file", file).flatten();
    let key = section.value("tls_private_key_file", file).flatten();
    let mutual = encryption == Encryption::Mutual;
    match (&certificate, &key) {
        (Some(_), None) => needs(section, "tls_cert_file", "tls_private_key_file"),
        (None, Some(_)) => needs(section, "tls_private_key_file", "tls_cert_file"),
        (None, None) if mutual => needs(section, "encryption", "tls_cert_file"),
        (Some(_), Some(_)) if !mutual => {
            section.warn("tls_cert_file", "has no effect: `encryption` is not `mtls`");
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    if encryption == Encryption::Off {
        for (given, key) in [
            (insecure, "allow_insecure_tls"),
            (authorities.is_some(), "tls_ca_cert_file"),
        ] {
            if given {
                section.warn(key, "has no effect: `encryption` is `off`");
            }
        }
        return None;
    }
    if insecure {
        section.warn("allow_insecure_tls", "is on: whoever answers is believed");
    }
    Some(Tls {
        authorities,
        identity: certificate.zip(key).filter(|_| mutual),
        insecure,
    })
}

fn needs(section: &Section<'_>, key: &str, other: &str) {
    section.problem(key, Complaint::new(format!("needs `{other}`")));
}

/// As in OPA, empty text names none.
fn file(value: &Value) -> Result<Option<PathBuf>, Complaint> {
    if text(value)?.is_empty() {
        return Ok(None);
    }
    path(value).map(Some)
}

fn encryption(value: &Value) -> Result<Encryption, Complaint> {
    if text(value)?.is_empty() {
        return Ok(Encryption::Off);
    }
    choice(&[
        ("off", Encryption::Off),
        ("tls", Encryption::Tls),
        ("mtls", Encryption::Mutual),
    ])(value)
}

fn headers(section: &mut Section<'_>) -> HeaderMap {
    let headers = section.texts("headers", |name, value| {
        let wrong = |_| Complaint::new("is not the name of a header");
        let name: HeaderName = name.parse().map_err(wrong)?;
        if OURS.contains(&name.as_str()) || name.as_str().starts_with("grpc-") {
            return Err(Complaint::new("is a header of the protocol"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Complaint::new("is not the value of a header"))?;
        value.set_sensitive(true);
        Ok((name, value))
    });
    headers.into_iter().collect()
}

fn resource(section: &mut Section<'_>, service: &str) -> Vec<(&'static str, String)> {
    let name = section
        .value("service_name", text)
        .filter(|name| !name.is_empty());
    let mut resource = vec![("service.name", name.unwrap_or(service).to_owned())];
    let mut version = None;
    section.section("resource", |section| {
        version = section
            .value("service_version", text)
            .filter(|text| !text.is_empty());
        for (key, name) in [
            ("service_instance_id", Options::INSTANCE),
            ("service_namespace", "service.namespace"),
            ("deployment_environment", "deployment.environment"),
        ] {
            if let Some(value) = section.value(key, text).filter(|text| !text.is_empty()) {
                resource.push((name, value.to_owned()));
            }
        }
    });
    resource.push(("service.version", version.unwrap_or(VERSION).to_owned()));
    resource
}

fn batch(section: &mut Section<'_>) -> Batch {
    let default = Batch::default();
    if section.flag("blocking") {
        section.warn("blocking", "has no effect: no check waits for a collector");
    }
    let milliseconds = integer(1..=LONGEST);
    let delay = section.value("batch_timeout_ms", &milliseconds);
    let timeout = section.value("export_timeout_ms", &milliseconds);
    let size = section.value("max_export_batch_size", integer(1..=MOST));
    let queue = section.value("max_queue_size", integer(1..=MOST));
    let queue = queue.unwrap_or(default.queue);
    Batch {
        size: size.unwrap_or(default.size).min(queue),
        delay: delay.map_or(default.delay, Duration::from_millis),
        timeout: timeout.map_or(default.timeout, Duration::from_millis),
        queue,
    }
}

/// Headers that are not the configuration's.
const OURS: [&str; 6] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
];
/// The longest span of time in milliseconds: an hour.
const LONGEST: u64 = 3_600_000;
/// The most items that may be sent or wait.
const MOST: usize = 1_000_000;
