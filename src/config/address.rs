//! Where a server listens: the forms that opa-envoy's `addr` takes.

use std::{fmt, net::Ipv6Addr, path::PathBuf, str::FromStr};

use serde_json::Value;

use super::{
    problem::Complaint,
    value::{shown, text},
};

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

    /// Whether the system chooses the port.
    pub(super) fn is_chosen_by_the_system(&self) -> bool {
        matches!(self, Self::Tcp { port: 0, .. })
    }
}

/// Why a text is not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Neither `grpc` nor `unix`.
    #[error("`{0}` is not a scheme to listen on")]
    Scheme(String),
    /// Not a host and a port up to 65535; an IPv6 address needs brackets.
    #[error("`{0}` is not `host:port`")]
    HostAndPort(String),
    /// A socket file would lie wherever the process was started.
    #[error("the socket path `{0}` is not absolute")]
    RelativePath(String),
    /// Empty, or with a NUL character.
    #[error("the socket has no usable name")]
    SocketName,
    /// More than the kernel takes.
    #[error("the socket's name has more than {MAX_SOCKET_NAME} bytes")]
    TooLong,
}

impl InvalidAddress {
    /// What to write instead.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::HostAndPort(_) => {
                Some("write `:9191` for every interface, `127.0.0.1:9191`, or `[::1]:9191`")
            }
            Self::Scheme(_) => Some("write `grpc://host:port`, `unix:///path` or `unix://@name`"),
            Self::RelativePath(_) | Self::SocketName => {
                Some("write `unix:///path` or `unix://@name`")
            }
            Self::TooLong => None,
        }
    }
}

/// The address in a configuration.
pub(super) fn address(value: &Value) -> Result<ListenAddr, Complaint> {
    text(value)?.parse().map_err(|invalid: InvalidAddress| {
        let complaint = Complaint::new(invalid.to_string());
        match invalid.hint() {
            Some(hint) => complaint.hint(hint),
            None => complaint,
        }
    })
}

impl FromStr for ListenAddr {
    type Err = InvalidAddress;

    /// Parses `grpc://host:port`, `unix:///path`, `unix://@name` or `host:port`.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        match text.split_once("://") {
            Some(("unix", name)) => parse_unix(name),
            None | Some(("grpc", _)) => {
                let authority = text.strip_prefix("grpc://").unwrap_or(text);
                parse_tcp(authority).ok_or_else(|| InvalidAddress::HostAndPort(shown(text)))
            }
            Some((scheme, _)) => Err(InvalidAddress::Scheme(shown(scheme))),
        }
    }
}

fn parse_tcp(authority: &str) -> Option<ListenAddr> {
    let (host, port) = authority.rsplit_once(':')?;
    // `u16::from_str` takes a sign, which is no port.
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host = match host.strip_prefix('[') {
        Some(bracketed) => {
            let address = bracketed.strip_suffix(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            address
        }
        None => Some(host).filter(|host| host.chars().all(plain))?,
    };
    Some(ListenAddr::Tcp {
        host: host.to_owned(),
        port,
    })
}

fn parse_unix(name: &str) -> Result<ListenAddr, InvalidAddress> {
    let (address, bare) = match name.strip_prefix('@') {
        Some(bare) => (ListenAddr::Abstract(bare.to_owned()), bare),
        None => (ListenAddr::Unix(PathBuf::from(name)), name),
    };
    if bare.is_empty() || bare.contains('\0') {
        return Err(InvalidAddress::SocketName);
    }
    if bare.len() > MAX_SOCKET_NAME {
        return Err(InvalidAddress::TooLong);
    }
    match &address {
        ListenAddr::Unix(path) if path.is_relative() => {
            Err(InvalidAddress::RelativePath(shown(name)))
        }
        ListenAddr::Unix(_) | ListenAddr::Abstract(_) | ListenAddr::Tcp { .. } => Ok(address),
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
            ("unix://@authz", ListenAddr::Abstract("authz".to_owned())),
        ] {
            let address: ListenAddr = text.parse().unwrap();
            assert_eq!(address, want, "{text}");
            assert_eq!(address.to_string().parse(), Ok(want), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused_with_their_rule() {
        use InvalidAddress as E;
        let long = format!("unix:///{}", "a".repeat(MAX_SOCKET_NAME));
        let tcp = |text: &str| E::HostAndPort(text.to_owned());
        let not_tcp = [
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
        ];
        for (text, rule) in not_tcp.map(|text| (text, tcp(text))).into_iter().chain([
            ("http://host:1", E::Scheme("http".to_owned())),
            ("unix://", E::SocketName),
            ("unix://@", E::SocketName),
            ("unix:///a\0b", E::SocketName),
            ("unix://x.sock", E::RelativePath("x.sock".to_owned())),
            (long.as_str(), E::TooLong),
        ]) {
            assert_eq!(text.parse::<ListenAddr>(), Err(rule), "{text}");
        }
    }

    #[test]
    fn the_longest_socket_name_is_accepted() {
        let longest = format!("unix:///{}", "a".repeat(MAX_SOCKET_NAME - 1));
        assert!(longest.parse::<ListenAddr>().is_ok());
    }
}
