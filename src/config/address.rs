//! Where a server listens: the forms that opa-envoy's `addr` takes.

use std::{fmt, path::PathBuf};

use super::{problem::Complaint, value::shown};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddr {
    /// A TCP port.
    Tcp {
        /// A host name or IP address, IPv6 without brackets; empty for every interface.
        host: String,
        /// The port; 0 lets the system choose.
        port: u16,
    },
    /// A Unix socket in the file system.
    Unix(PathBuf),
    /// A Unix socket in Linux' abstract namespace; the name without the leading `@`.
    Abstract(String),
}

impl ListenAddr {
    /// Every interface, this port.
    pub(super) fn any(port: u16) -> Self {
        Self::Tcp {
            host: String::new(),
            port,
        }
    }

    /// Parses `grpc://host:port`, `unix:///path`, `unix://@name` or `host:port`.
    pub(super) fn parse(text: &str) -> Result<Self, Complaint> {
        match text.split_once("://") {
            None | Some(("grpc", _)) => {
                let authority = text.strip_prefix("grpc://").unwrap_or(text);
                Self::parse_tcp(authority).ok_or_else(|| {
                    Complaint::new(format!("`{}` is not `host:port`", shown(text))).hint(
                        "write `:9191` for every interface, `127.0.0.1:9191`, or `[::1]:9191`",
                    )
                })
            }
            Some(("unix", name)) => Self::parse_unix(name),
            Some((scheme, _)) => Err(Complaint::new(format!(
                "`{}` is not a scheme to listen on",
                shown(scheme)
            ))
            .hint("write `grpc://host:port`, `unix:///path` or `unix://@name`")),
        }
    }

    /// Whether the system chooses the port.
    pub(super) fn is_chosen_by_the_system(&self) -> bool {
        matches!(self, Self::Tcp { port: 0, .. })
    }

    fn parse_tcp(authority: &str) -> Option<Self> {
        let (host, port) = authority.rsplit_once(':')?;
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits)?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => {
                let address = bracketed.strip_suffix(']')?;
                address.parse::<std::net::Ipv6Addr>().ok()?;
                address
            }
            None => host,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let bare_v6 = host.contains(':') && authority.starts_with('[');
        (bare_v6 || host.chars().all(plain)).then(|| Self::Tcp {
            host: host.to_owned(),
            port,
        })
    }

    fn parse_unix(name: &str) -> Result<Self, Complaint> {
        let (address, bare) = match name.strip_prefix('@') {
            Some(bare) => (Self::Abstract(bare.to_owned()), bare),
            None => (Self::Unix(PathBuf::from(name)), name),
        };
        if bare.is_empty() || bare.contains('\0') {
            return Err(Complaint::new("the socket has no usable name")
                .hint("write `unix:///path` or `unix://@name`"));
        }
        if bare.len() > MAX_SOCKET_NAME {
            return Err(Complaint::new(format!(
                "the socket's name has more than {MAX_SOCKET_NAME} bytes"
            )));
        }
        Ok(address)
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Abstract(name) => write!(f, "unix://@{name}"),
        }
    }
}

/// Longest name of a Unix socket in bytes: `sun_path` holds 108 with its terminator.
const MAX_SOCKET_NAME: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_the_reference_is_read() {
        let tcp = |host: &str, port| ListenAddr::Tcp {
            host: host.to_owned(),
            port,
        };
        for (text, want) in [
            (":9191", tcp("", 9191)),
            ("grpc://:9191", tcp("", 9191)),
            ("grpc://0.0.0.0:9191", tcp("0.0.0.0", 9191)),
            ("localhost:0", tcp("localhost", 0)),
            ("[::1]:9191", tcp("::1", 9191)),
            ("grpc://[::]:9191", tcp("::", 9191)),
            ("unix:///run/x.sock", ListenAddr::Unix("/run/x.sock".into())),
            ("unix://x.sock", ListenAddr::Unix("x.sock".into())),
            ("unix://@authz", ListenAddr::Abstract("authz".to_owned())),
        ] {
            assert_eq!(ListenAddr::parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let long = format!("unix:///{}", "a".repeat(200));
        for text in [
            "",
            "9191",
            "localhost",
            "localhost:",
            "localhost:x",
            "localhost:+1",
            "localhost:65536",
            "::1:9191",
            "[::1:9191",
            "[nope]:9191",
            "a b:9191",
            "grpc://",
            "grpc://host:1/path",
            "http://host:1",
            "unix://",
            "unix://@",
            "unix:///a\0b",
            long.as_str(),
        ] {
            assert!(ListenAddr::parse(text).is_err(), "{text}");
        }
    }
}
