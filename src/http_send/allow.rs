//! Where policies may send: origins, compared exactly.
//!
//! An origin is a scheme, a host and a port, each as URLs are read by browsers: lower case, punycode,
//! IPv4 addresses in dotted form, the scheme's port if none is given. `example.com.` with a dot at its
//! end is another host than `example.com`.

use std::{fmt, net::IpAddr};

use reqwest::Url;

use super::{address::is_forbidden, error::SendError};

/// An origin that requests may go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    /// As in a URL: an IPv6 address stands in brackets.
    host: String,
    port: u16,
}

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Why a text names no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// Not a host, `host:port` or `scheme://host:port`.
    #[error("is not a host, a `host:port` or a URL without a path")]
    Form,
    /// Something like `*.example.com`.
    #[error("has a `*`: each host is named by itself")]
    Wildcard,
    /// An address that nothing is ever sent to.
    #[error("is a link-local, metadata, multicast or unspecified address: never allowed")]
    Forbidden,
}

impl Origin {
    /// The origins that one entry of the list names: those of both schemes when it has none.
    pub fn of_entry(entry: &str) -> Result<Vec<Self>, InvalidOrigin> {
        if entry.contains('*') {
            return Err(InvalidOrigin::Wildcard);
        }
        let (schemes, rest) = match entry.split_once("://") {
            Some((scheme, rest)) => (vec![scheme], rest.strip_suffix('/').unwrap_or(rest)),
            None => (vec!["http", "https"], entry),
        };
        // What a URL parser would forgive, drop or take for something else than the host.
        let strange = |c: char| c.is_whitespace() || c.is_control() || "/\\@?#%".contains(c);
        if rest.is_empty() || rest.contains(strange) {
            return Err(InvalidOrigin::Form);
        }
        let origins = schemes.into_iter().map(|scheme| {
            let url = Url::parse(&format!("{scheme}://{rest}")).ok();
            let origin = url.as_ref().and_then(Self::of_url);
            let origin = origin.ok_or(InvalidOrigin::Form)?;
            match origin.address() {
                Some(address) if is_forbidden(address) => Err(InvalidOrigin::Forbidden),
                Some(_) | None => Ok(origin),
            }
        });
        origins.collect()
    }

    /// The origin of a URL; nothing if it has another scheme, or no host.
    pub(super) fn of_url(url: &Url) -> Option<Self> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        Some(Self {
            scheme,
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host if it is an address.
    fn address(&self) -> Option<IpAddr> {
        let host = self.host.strip_prefix('[');
        let host = host.and_then(|host| host.strip_suffix(']'));
        host.unwrap_or(&self.host).parse().ok()
    }

    /// Fails for an address that nothing is ever sent to.
    pub(super) fn checked(self) -> Result<Self, SendError> {
        match self.address() {
            Some(address) if is_forbidden(address) => {
                Err(SendError::ForbiddenAddress(self.to_string()))
            }
            Some(_) | None => Ok(self),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Result<Vec<String>, InvalidOrigin> {
        let origins = Origin::of_entry(text)?;
        Ok(origins.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_entry_names_origins() {
        for (text, origins) in [
            ("a.b", &["http://a.b:80", "https://a.b:443"][..]),
            ("a.b:8080", &["http://a.b:8080", "https://a.b:8080"]),
            ("a.b:80", &["http://a.b:80", "https://a.b:80"]),
            ("http://a.b", &["http://a.b:80"]),
            ("HTTPS://A.B:443/", &["https://a.b:443"]),
            (
                "https://bücher.example",
                &["https://xn--bcher-kva.example:443"],
            ),
            ("a.b.", &["http://a.b.:80", "https://a.b.:443"]),
            ("http://127.0.0.1:1", &["http://127.0.0.1:1"]),
            ("http://0x7f.1:1", &["http://127.0.0.1:1"]),
            ("http://[::1]:1", &["http://[::1]:1"]),
            ("[::1]", &["http://[::1]:80", "https://[::1]:443"]),
        ] {
            let origins = origins.iter().map(ToString::to_string).collect();
            assert_eq!(entry(text), Ok(origins), "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            " ",
            "a.b/c",
            "https://a.b/c",
            "https://u@a.b",
            "a.b?q",
            "a.b#f",
            "a b",
            "ftp://a.b",
            "unix://a",
            "a.b:99999",
            "::1",
            "a\\b",
            "a%2eb",
            "https://",
            "//a.b",
            "a\t.b",
            "http://a.b//",
        ] {
            assert_eq!(entry(text), Err(InvalidOrigin::Form), "{text}");
        }
        assert_eq!(entry("*.a.b"), Err(InvalidOrigin::Wildcard));
        for text in [
            "169.254.169.254",
            "http://2852039166",
            "http://0xA9.0xFE.0xA9.0xFE",
            "[fe80::1]",
            "[::ffff:169.254.169.254]:80",
            "0.0.0.0:80",
            "0",
            "http://0251.0376.0251.0376",
        ] {
            assert_eq!(entry(text), Err(InvalidOrigin::Forbidden), "{text}");
        }
    }
}
